#define W 4
#include "kernels.h"

const Kernels portable_kernels = {forward, backward};

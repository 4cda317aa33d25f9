// The operator SignedScanReversed: the scan from the last step to the first.

#include "scan_definition.h"

namespace ops {

class SignedScanReversed : public OpDef {
public:
    explicit SignedScanReversed(const char* name) : OpDef(name) { sfm::DefineScan(*this); }
};

OP_ADD(SignedScanReversed);

}  // namespace ops

// The operator SignedScan: the scan from the first step to the last.

#include "scan_definition.h"

namespace ops {

class SignedScan : public OpDef {
public:
    explicit SignedScan(const char* name) : OpDef(name) { sfm::DefineScan(*this); }
};

OP_ADD(SignedScan);

}  // namespace ops

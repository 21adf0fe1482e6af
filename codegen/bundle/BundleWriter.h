// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Manifest -> the bytes of a bundle file, and back.
#ifndef FOVEA_CODEGEN_BUNDLE_BUNDLEWRITER_H
#define FOVEA_CODEGEN_BUNDLE_BUNDLEWRITER_H

#include "codegen/bundle/Manifest.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

namespace fovea {

/// The file. The same manifest gives the same bytes. A manifest that the
/// runtime would refuse is an error here already: slots used twice or past the
/// end, entries without code, variants out of order.
llvm::Expected<std::string> writeBundle(const BundleManifest &manifest);

/// The manifest of a file, which is untrusted: every range is checked.
llvm::Expected<BundleManifest> readBundle(llvm::StringRef bytes);

/// What `fovea inspect` prints. `bytes` is the file, for sizes and checksum.
void printBundle(const BundleManifest &manifest, llvm::StringRef bytes,
                 llvm::raw_ostream &os);

/// "f32", "bf16", ...; "?" for an unknown code.
llvm::StringRef dtypeName(uint32_t dtype);

} // namespace fovea

#endif // FOVEA_CODEGEN_BUNDLE_BUNDLEWRITER_H

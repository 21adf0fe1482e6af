// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The flat-image linker; see the header.
#include "codegen/cpu/image/FlatImage.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Alignment.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"

#include <set>

using namespace llvm;
using namespace llvm::object;

namespace fovea::cpu {

using ELFT = ELF64LE;
using File = ELFFile<ELFT>;

static constexpr uint64_t kPageSize = 4096;
static constexpr uint64_t kCodeAlign = 64;
static constexpr uint64_t kDropped = ~uint64_t(0);

std::optional<uint64_t> FlatImage::find(StringRef name) const {
  for (const Symbol &symbol : symbols)
    if (symbol.name == name)
      return symbol.offset;
  return std::nullopt;
}

template <typename... Args>
static Error failure(const char *format, Args &&...args) {
  return createStringError(inconvertibleErrorCode(),
                           formatv(format, std::forward<Args>(args)...).str());
}

namespace {

enum class SectionRole { Code, Constants, Dropped };

/// One input object and where its sections went.
struct Input {
  File file;
  ArrayRef<ELFT::Shdr> sections;
  const ELFT::Shdr *symbolTable = nullptr;
  ArrayRef<ELFT::Sym> symbols;
  StringRef symbolNames;
  /// Per section: offset in the image, or kDropped.
  std::vector<uint64_t> place;

  explicit Input(File file) : file(std::move(file)) {}

  Expected<StringRef> sectionName(const ELFT::Shdr &section) const {
    return file.getSectionName(section);
  }
  Expected<StringRef> symbolName(const ELFT::Sym &symbol) const {
    if (symbol.getType() == ELF::STT_SECTION &&
        symbol.st_shndx < sections.size())
      return sectionName(sections[symbol.st_shndx]);
    return symbol.getName(symbolNames);
  }
};

class Linker {
public:
  Error run(ArrayRef<StringRef> objects);
  FlatImage image;

private:
  Error open(StringRef object);
  Expected<SectionRole> classify(const Input &input,
                                 const ELFT::Shdr &section) const;
  Error place(SectionRole role);
  Error defineSymbols();
  Error relocate(Input &input);
  Error relocateSection(Input &input, const ELFT::Shdr &relocations);
  Error apply(Input &input, const ELFT::Rela &rela, uint64_t place,
              uint64_t target, StringRef name);
  Expected<std::optional<uint64_t>>
  resolve(Input &input, const ELFT::Sym &symbol, StringRef name);
  std::string functionAt(uint64_t offset) const;

  std::vector<Input> inputs;
  StringMap<uint64_t> globals;
  std::set<std::string> undefined;
};

} // namespace

Error Linker::open(StringRef object) {
  if (object.size() < sizeof(ELFT::Ehdr) ||
      !object.starts_with(StringRef("\177ELF\002\001", 6)))
    return failure("expected an x86-64 ELF object, got {0} other bytes",
                   object.size());
  Expected<File> file = File::create(object);
  if (!file)
    return file.takeError();
  const ELFT::Ehdr &header = file->getHeader();
  if (header.e_machine != ELF::EM_X86_64 || header.e_type != ELF::ET_REL)
    return failure("expected a relocatable object for x86-64, got machine {0} "
                   "and type {1}",
                   header.e_machine, header.e_type);
  Input input(std::move(*file));
  auto sections = input.file.sections();
  if (!sections)
    return sections.takeError();
  input.sections = *sections;
  for (const ELFT::Shdr &section : input.sections)
    if (section.sh_type == ELF::SHT_SYMTAB)
      input.symbolTable = &section;
  if (input.symbolTable) {
    auto symbols = input.file.symbols(input.symbolTable);
    if (!symbols)
      return symbols.takeError();
    input.symbols = *symbols;
    auto names = input.file.getStringTableForSymtab(*input.symbolTable);
    if (!names)
      return names.takeError();
    input.symbolNames = *names;
  }
  input.place.assign(input.sections.size(), kDropped);
  inputs.push_back(std::move(input));
  return Error::success();
}

Expected<SectionRole> Linker::classify(const Input &input,
                                       const ELFT::Shdr &section) const {
  if (!(section.sh_flags & ELF::SHF_ALLOC) || section.sh_size == 0)
    return SectionRole::Dropped;
  Expected<StringRef> name = input.sectionName(section);
  if (!name)
    return name.takeError();
  // Nothing unwinds through generated code.
  if (section.sh_type == ELF::SHT_X86_64_UNWIND || *name == ".eh_frame")
    return SectionRole::Dropped;
  if (section.sh_type == ELF::SHT_NOTE)
    return SectionRole::Dropped;
  if (section.sh_flags & ELF::SHF_TLS)
    return failure("expected code without thread-local data, got section {0}",
                   *name);
  if (section.sh_type == ELF::SHT_INIT_ARRAY ||
      section.sh_type == ELF::SHT_FINI_ARRAY ||
      section.sh_type == ELF::SHT_PREINIT_ARRAY || *name == ".ctors" ||
      *name == ".dtors")
    return failure("expected code without constructors, got section {0}",
                   *name);
  if (section.sh_flags & ELF::SHF_WRITE)
    return failure("expected code without writable data, got section {0}",
                   *name);
  if (section.sh_type != ELF::SHT_PROGBITS)
    return failure("expected code and constants only, got section {0} of type "
                   "{1}",
                   *name, uint32_t(section.sh_type));
  return section.sh_flags & ELF::SHF_EXECINSTR ? SectionRole::Code
                                               : SectionRole::Constants;
}

/// Appends all sections of one role to the image, in input order.
Error Linker::place(SectionRole role) {
  for (Input &input : inputs) {
    for (auto [index, section] : enumerate(input.sections)) {
      Expected<SectionRole> actual = classify(input, section);
      if (!actual)
        return actual.takeError();
      if (*actual != role)
        continue;
      auto content = input.file.getSectionContents(section);
      if (!content)
        return content.takeError();
      uint64_t align = std::max<uint64_t>(section.sh_addralign, 1);
      if (!isPowerOf2_64(align) || align > kPageSize)
        return failure("expected a section alignment of at most {0}, got {1}",
                       kPageSize, align);
      if (role == SectionRole::Code)
        align = std::max(align, kCodeAlign);
      // The gap between functions is int3, so that a stray jump traps.
      image.bytes.resize(alignTo(image.bytes.size(), align),
                         role == SectionRole::Code ? char(0xcc) : 0);
      input.place[index] = image.bytes.size();
      image.bytes.append(content->begin(), content->end());
      if (image.bytes.size() > uint64_t(INT32_MAX))
        return failure("expected an image of at most {0} bytes", INT32_MAX);
    }
  }
  return Error::success();
}

Error Linker::defineSymbols() {
  for (Input &input : inputs) {
    for (const ELFT::Sym &symbol : input.symbols) {
      if (symbol.getBinding() == ELF::STB_LOCAL ||
          symbol.st_shndx == ELF::SHN_UNDEF)
        continue;
      Expected<StringRef> name = input.symbolName(symbol);
      if (!name)
        return name.takeError();
      if (symbol.getType() == ELF::STT_GNU_IFUNC)
        return failure("expected plain functions, got the ifunc '{0}'", *name);
      if (symbol.st_shndx == ELF::SHN_COMMON)
        return failure(
            "expected code without writable data, got common symbol '{0}'",
            *name);
      if (symbol.st_shndx >= input.place.size() ||
          input.place[symbol.st_shndx] == kDropped)
        continue;
      uint64_t offset = input.place[symbol.st_shndx] + symbol.st_value;
      if (!globals.try_emplace(*name, offset).second)
        return failure("expected one definition of '{0}', got two", *name);
      if (symbol.getType() == ELF::STT_FUNC)
        image.symbols.push_back({name->str(), offset});
    }
  }
  llvm::sort(image.symbols, [](const auto &a, const auto &b) {
    return std::tie(a.offset, a.name) < std::tie(b.offset, b.name);
  });
  return Error::success();
}

std::string Linker::functionAt(uint64_t offset) const {
  StringRef best = "the image";
  for (const FlatImage::Symbol &symbol : image.symbols)
    if (symbol.offset <= offset)
      best = symbol.name;
  return best.str();
}

/// The image offset of a symbol; nothing if it is undefined (noted).
Expected<std::optional<uint64_t>>
Linker::resolve(Input &input, const ELFT::Sym &symbol, StringRef name) {
  if (symbol.getType() == ELF::STT_TLS)
    return failure("expected code without thread-local data, got '{0}'", name);
  if (symbol.st_shndx == ELF::SHN_UNDEF) {
    auto found = globals.find(name);
    if (found != globals.end())
      return std::optional<uint64_t>(found->second);
    undefined.insert(name.str());
    return std::optional<uint64_t>();
  }
  if (symbol.st_shndx >= input.place.size())
    return failure("expected '{0}' to be in a section, got index {1}", name,
                   uint32_t(symbol.st_shndx));
  uint64_t base = input.place[symbol.st_shndx];
  if (base == kDropped)
    return failure("expected '{0}' to be code or a constant, got a symbol of "
                   "a dropped section",
                   name);
  return std::optional<uint64_t>(base + symbol.st_value);
}

Error Linker::apply(Input &input, const ELFT::Rela &rela, uint64_t place,
                    uint64_t target, StringRef name) {
  char *field = image.bytes.data() + place;
  int64_t addend = rela.r_addend;
  switch (rela.getType(/*isMips64EL=*/false)) {
  case ELF::R_X86_64_PC32:
  case ELF::R_X86_64_PLT32:
    break;
  case ELF::R_X86_64_GOTPCRELX:
  case ELF::R_X86_64_REX_GOTPCRELX: {
    // There is no GOT: load the address instead of the GOT's entry.
    uint8_t opcode = place >= 2 ? uint8_t(field[-2]) : 0;
    uint8_t modrm = place >= 2 ? uint8_t(field[-1]) : 0;
    if (opcode == 0x8b) {
      field[-2] = char(0x8d); // mov m, r -> lea m, r
    } else if (opcode == 0xff && modrm == 0x15) {
      field[-2] = 0x67; // call *m -> addr32 call
      field[-1] = char(0xe8);
    } else {
      return failure("expected a relaxable use of '{0}' in '{1}', got a load "
                     "of its GOT entry",
                     name, functionAt(place));
    }
    break;
  }
  default:
    return failure(
        "expected position-independent code, got relocation {0} "
        "against '{1}' in '{2}'",
        getELFRelocationTypeName(ELF::EM_X86_64, rela.getType(false)), name,
        functionAt(place));
  }
  int64_t value = int64_t(target) + addend - int64_t(place);
  support::endian::write32le(field, static_cast<uint32_t>(value));
  return Error::success();
}

Error Linker::relocateSection(Input &input, const ELFT::Shdr &relocations) {
  uint32_t targetIndex = relocations.sh_info;
  if (targetIndex >= input.place.size() || input.place[targetIndex] == kDropped)
    return Error::success();
  uint64_t base = input.place[targetIndex];
  uint64_t size = input.sections[targetIndex].sh_size;
  if (relocations.sh_type == ELF::SHT_REL)
    return failure("expected relocations with addends, got a REL section");
  auto relas = input.file.relas(relocations);
  if (!relas)
    return relas.takeError();
  for (const ELFT::Rela &rela : *relas) {
    uint32_t type = rela.getType(false);
    if (type == ELF::R_X86_64_NONE)
      continue;
    uint32_t index = rela.getSymbol(false);
    if (index >= input.symbols.size() || rela.r_offset > size ||
        size - rela.r_offset < 4)
      return failure("expected well-formed relocations, got symbol {0} at {1}",
                     index, uint64_t(rela.r_offset));
    const ELFT::Sym &symbol = input.symbols[index];
    Expected<StringRef> name = input.symbolName(symbol);
    if (!name)
      return name.takeError();
    auto target = resolve(input, symbol, *name);
    if (!target)
      return target.takeError();
    if (!*target)
      continue; // reported together at the end
    if (Error error = apply(input, rela, base + rela.r_offset, **target, *name))
      return error;
  }
  return Error::success();
}

Error Linker::relocate(Input &input) {
  for (const ELFT::Shdr &section : input.sections)
    if (section.sh_type == ELF::SHT_RELA || section.sh_type == ELF::SHT_REL)
      if (Error error = relocateSection(input, section))
        return error;
  return Error::success();
}

Error Linker::run(ArrayRef<StringRef> objects) {
  for (StringRef object : objects)
    if (Error error = open(object))
      return error;
  if (Error error = place(SectionRole::Code))
    return error;
  image.codeSize = image.bytes.size();
  // Constants start on their own page: code and data do not share lines.
  image.bytes.resize(alignTo(image.bytes.size(), kPageSize), char(0xcc));
  uint64_t constants = image.bytes.size();
  if (Error error = place(SectionRole::Constants))
    return error;
  if (image.bytes.size() == constants)
    image.bytes.resize(image.codeSize);
  if (Error error = defineSymbols())
    return error;
  for (Input &input : inputs)
    if (Error error = relocate(input))
      return error;
  if (!undefined.empty())
    return failure("expected self-contained code, got undefined symbols: {0}",
                   join(undefined, ", "));
  return Error::success();
}

Expected<FlatImage> linkFlatImage(ArrayRef<StringRef> objects) {
  Linker linker;
  if (Error error = linker.run(objects))
    return error;
  return std::move(linker.image);
}

} // namespace fovea::cpu

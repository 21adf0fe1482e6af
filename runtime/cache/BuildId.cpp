// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Build ids: what stands for the compiler in a key, so that a rebuilt compiler
// never gets the entries of the old one. Read from the file, since on a hit
// the library is not loaded.
#include "runtime/cache/Key.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

namespace fovea::rt {

/// Finds the id in the bytes of a note segment.
static bool findId(const char *notes, size_t size, std::string &id) {
  size_t at = 0;
  while (size - at >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    std::memcpy(&note, notes + at, sizeof note);
    at += sizeof note;
    size_t name = (size_t(note.n_namesz) + 3) / 4 * 4;
    size_t desc = (size_t(note.n_descsz) + 3) / 4 * 4;
    if (name > size - at || note.n_descsz > size - at - name)
      return false;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
        !std::memcmp(notes + at, "GNU", 4)) {
      id.assign(notes + at + name, note.n_descsz);
      return !id.empty();
    }
    if (desc > size - at - name)
      return false; // the last one, unpadded
    at += name + desc;
  }
  return false;
}

static bool isElf(const Elf64_Ehdr &header) {
  return !std::memcmp(header.e_ident, ELFMAG, SELFMAG) &&
         header.e_ident[EI_CLASS] == ELFCLASS64 &&
         header.e_phentsize == sizeof(Elf64_Phdr);
}

static bool readAt(int fd, void *to, size_t size, uint64_t offset) {
  return pread(fd, to, size, off_t(offset)) == ssize_t(size);
}

static bool readId(int fd, std::string &id) {
  Elf64_Ehdr header;
  if (!readAt(fd, &header, sizeof header, 0) || !isElf(header))
    return false;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!readAt(fd, &segment, sizeof segment,
                header.e_phoff + uint64_t(i) * sizeof segment))
      return false;
    char notes[4096];
    if (segment.p_type == PT_NOTE && segment.p_filesz <= sizeof notes &&
        readAt(fd, notes, segment.p_filesz, segment.p_offset) &&
        findId(notes, segment.p_filesz, id))
      return true;
  }
  return false;
}

bool fileBuildId(const std::string &path, std::string &id, std::string &why) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    why = "cannot open '" + path + "': " + std::strerror(errno);
    return false;
  }
  bool found = readId(fd, id);
  close(fd);
  if (!found)
    why = "'" + path + "' has no build id (link it with --build-id)";
  return found;
}

bool loadedBuildId(const void *address, std::string &id) {
  Dl_info info;
  if (!dladdr(address, &info) || !info.dli_fbase)
    return false;
  auto *base = static_cast<const char *>(info.dli_fbase);
  Elf64_Ehdr header;
  std::memcpy(&header, base, sizeof header);
  if (!isElf(header))
    return false;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, base + header.e_phoff + size_t(i) * sizeof segment,
                sizeof segment);
    if (segment.p_type == PT_NOTE &&
        findId(base + segment.p_vaddr, segment.p_memsz, id))
      return true;
  }
  return false;
}

} // namespace fovea::rt

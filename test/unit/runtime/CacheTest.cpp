// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The key and the disk cache behind fovea_jit_compile, with a library in the
// shape of libfovea-jit that counts its builds.
#include "runtime/cache/Key.h"
#include "test/support/Times.h"
#include "test/unit/runtime/Fixture.h"

#include <cerrno>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fovea/jit.h>
#include <set>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace fovea::test;

namespace {

std::string libraryOf(const std::string &name) {
  return std::string(FAKE_JIT_FOLDER) + "/lib" + name + ".so";
}

int buildsOf(const std::string &name) {
  void *library = dlopen(libraryOf(name).c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (!library)
    return 0; // never loaded
  auto count =
      reinterpret_cast<int (*)(void)>(dlsym(library, "fake_jit_builds"));
  int n = count ? count() : -1;
  dlclose(library);
  return n;
}

/// An empty cache directory and a context that collects log and diagnostics.
class Cache : public testing::Test {
protected:
  void SetUp() override {
    root = testing::TempDir() + "fovea-cache-XXXXXX";
    ASSERT_NE(mkdtemp(root.data()), nullptr);
    directory = root + "/deep";
    directory += "/below";
    fovea_options options{};
    options.log = [](void *user, int level, const char *text) {
      if (level >= FOVEA_LOG_WARNING)
        static_cast<Cache *>(user)->log += std::string(text) + "\n";
    };
    options.log_user = this;
    ctx = openContext(1, options);
  }
  void TearDown() override {
    fovea_close(ctx);
    std::string command = "rm -rf '" + root + "'";
    EXPECT_EQ(std::system(command.c_str()), 0);
  }

  fovea_jit_options options() {
    fovea_jit_options o{};
    o.size = sizeof o;
    library = libraryOf(name);
    o.library = library.c_str();
    o.cache_dir = directory.c_str();
    o.diag = [](void *user, const fovea_diag *d) {
      static_cast<Cache *>(user)->diags += std::string(d->text) + "\n";
    };
    o.user = this;
    info = {};
    info.size = sizeof info;
    o.info = &info;
    return o;
  }

  fovea_status compile(const std::string &spec, fovea_jit_options o) {
    fovea_bundle_close(bundle);
    bundle = nullptr;
    fovea_status st = fovea_jit_compile(ctx, "spec.mlir", spec.data(),
                                        spec.size(), &o, &bundle);
    heads = 0;
    fovea_kernel *kernel = nullptr;
    if (!st && !fovea_kernel_get(bundle, nullptr, FOVEA_CPU, &kernel)) {
      fovea_arg_info arg{};
      arg.size = sizeof arg;
      EXPECT_EQ(fovea_kernel_arg(kernel, 0, &arg), FOVEA_OK);
      heads = arg.shape[1];
      fovea_kernel_release(kernel);
    }
    fovea_bundle_close(bundle);
    bundle = nullptr;
    return st;
  }
  fovea_status compile(const std::string &spec) {
    return compile(spec, options());
  }

  std::vector<std::string> files() {
    std::vector<std::string> names;
    if (DIR *d = opendir(directory.c_str())) {
      while (dirent *e = readdir(d))
        if (std::string(e->d_name) != "." && std::string(e->d_name) != "..")
          names.push_back(e->d_name);
      closedir(d);
    }
    return names;
  }
  std::string entry() {
    EXPECT_EQ(files().size(), 1u);
    return directory + "/" + files().at(0);
  }

  std::string root, directory, library, name = "fake-jit", log, diags;
  fovea_ctx *ctx = nullptr;
  fovea_bundle *bundle = nullptr;
  fovea_jit_info info{};
  int64_t heads = 0;
};

TEST(Key, IsSha256) {
  // FIPS 180-4 example "abc", fed without lengths through one part: the part's
  // length (8 bytes) is hashed too, so check the digest of that.
  fovea::rt::KeyBuilder builder;
  // printf '\x03\0\0\0\0\0\0\0abc' | sha256sum
  EXPECT_EQ(builder.part(std::string("abc")).finish().hex(),
            "ce91dc5eec0139adf091900d225971d6");
}

TEST(Key, SeparatesItsParts) {
  using fovea::rt::KeyBuilder;
  std::set<std::string> keys;
  for (auto [a, b] : {std::pair("ab", "c"), std::pair("a", "bc"),
                      std::pair("abc", ""), std::pair("", "abc")})
    keys.insert(
        KeyBuilder().part(std::string(a)).part(std::string(b)).finish().hex());
  EXPECT_EQ(keys.size(), 4u);
  // Every length around the block size ends in a full digest.
  for (size_t n = 0; n < 200; ++n)
    keys.insert(KeyBuilder().part(std::string(n, 'x')).finish().hex());
  EXPECT_EQ(keys.size(), 204u);
}

TEST_F(Cache, TheAssemblerCountsForGpus) {
  using fovea::rt::assemblerIdentity;
  using fovea::rt::needsAssembler;
  EXPECT_TRUE(needsAssembler("sm_80"));
  EXPECT_TRUE(needsAssembler("x86-64-v3,sm_90a"));
  EXPECT_TRUE(needsAssembler("sm_80-emulated,sm_80"));
  EXPECT_FALSE(needsAssembler("x86-64-v3,sm_80-emulated"));
  EXPECT_FALSE(needsAssembler("x86-64-v4"));
  std::string path = getenv("PATH");
  unsetenv("CUDA_HOME");
  auto write = [&](const std::string &file, const char *text) {
    FILE *f = std::fopen(file.c_str(), "w");
    std::fputs(text, f);
    std::fclose(f);
    chmod(file.c_str(), 0700);
  };
  std::string bin = root + "/bin", program = bin + "/ptxas";
  mkdir(bin.c_str(), 0700);
  setenv("FOVEA_PTXAS", "", 1);
  EXPECT_EQ(assemblerIdentity(), "");
  setenv("FOVEA_PTXAS", program.c_str(), 1);
  EXPECT_EQ(assemblerIdentity(), "");
  write(program, "one");
  std::string first = assemblerIdentity();
  EXPECT_EQ(first.find(program + " 3 "), 0u) << first;
  write(program, "another");
  EXPECT_NE(assemblerIdentity(), first);
  unsetenv("FOVEA_PTXAS");
  setenv("PATH", (root + "::" + bin + ":" + path).c_str(), 1);
  EXPECT_EQ(assemblerIdentity().find(program + " 7 "), 0u);
  setenv("CUDA_HOME", root.c_str(), 1); // bin/ptxas lies there
  EXPECT_EQ(assemblerIdentity().find(program + " 7 "), 0u);
  unsetenv("CUDA_HOME");
  setenv("PATH", path.c_str(), 1);
  // The same spec again, with another assembler.
  auto forGpu = options();
  forGpu.targets = "sm_80";
  setenv("FOVEA_PTXAS", program.c_str(), 1);
  ASSERT_FOVEA(compile("spec", forGpu));
  EXPECT_FALSE(info.cache_hit);
  ASSERT_FOVEA(compile("spec", forGpu));
  EXPECT_TRUE(info.cache_hit);
  setenv("FOVEA_PTXAS", "", 1);
  ASSERT_FOVEA(compile("spec", forGpu));
  EXPECT_FALSE(info.cache_hit);
  unsetenv("FOVEA_PTXAS");
}

TEST_F(Cache, HitsWithoutTheCompiler) {
  int before = buildsOf(name);
  ASSERT_FOVEA(compile("spec"));
  EXPECT_EQ(heads, 4);
  EXPECT_EQ(info.cache_hit, 0);
  EXPECT_EQ(buildsOf(name), before + 1);
  std::string key = info.key;
  EXPECT_EQ(entry(), directory + "/" + key + ".fvb");
  ASSERT_FOVEA(compile("spec"));
  EXPECT_EQ(info.cache_hit, 1);
  EXPECT_EQ(info.key, key);
  EXPECT_EQ(info.compile_ms, 0);
  EXPECT_EQ(heads, 4);
  EXPECT_EQ(buildsOf(name), before + 1);
  EXPECT_EQ(log + diags, "");
  constexpr double wanted = 1; // ms
  double best = times::fastest(20, wanted, [&] {
    EXPECT_EQ(compile("spec"), FOVEA_OK) << fovea_message();
    return info.total_ms;
  });
  std::printf("cache hit: %.3f ms\n", best);
  EXPECT_TIME_BELOW(best, wanted);
}

TEST_F(Cache, KeysWhatTheResultDependsOn) {
  std::set<std::string> keys;
  auto add = [&](const fovea_jit_options &o, const std::string &spec = "abc") {
    EXPECT_EQ(compile(spec, o), FOVEA_OK) << fovea_message();
    EXPECT_EQ(info.cache_hit, 0);
    return keys.insert(info.key).second;
  };
  EXPECT_TRUE(add(options()));
  EXPECT_TRUE(add(options(), "abd"));
  const char *ab[] = {"A=1", "B=2"}, *ba[] = {"B=2", "A=1"}, *a2[] = {"A=2"};
  fovea_jit_options o = options();
  o.defines = ab;
  o.n_defines = 2;
  EXPECT_TRUE(add(o));
  o.n_defines = 1;
  EXPECT_TRUE(add(o));
  o.defines = a2;
  EXPECT_TRUE(add(o));
  o = options();
  o.targets = "x86-64";
  EXPECT_TRUE(add(o));
  o = options();
  o.tuning = "rows = 8";
  EXPECT_TRUE(add(o));
  o.tuning = "rows = 9";
  EXPECT_TRUE(add(o));
  name = "fake-jit-rebuilt";
  EXPECT_TRUE(add(options()));
  EXPECT_EQ(files().size(), 9u);
  name = "fake-jit";
  // The same again, spelt otherwise.
  o = options();
  o.defines = ba;
  o.n_defines = 2;
  ASSERT_FOVEA(compile("abc", o));
  EXPECT_EQ(info.cache_hit, 1);
  o = options();
  std::string spaced = std::string(" ") + fovea_host_target() + " ";
  o.targets = spaced.c_str();
  ASSERT_FOVEA(compile("abc", o));
  EXPECT_EQ(info.cache_hit, 1);
}

TEST_F(Cache, TakesTheTableThatTheEnvironmentNames) {
  std::string path = root + "/a.tune";
  auto write = [&](const char *text) {
    std::FILE *file = std::fopen(path.c_str(), "wb");
    std::fputs(text, file);
    std::fclose(file);
  };
  fovea_jit_options o = options();
  o.tuning = "table";
  ASSERT_FOVEA(compile("spec", o));
  write("table");
  setenv("FOVEA_TUNING", path.c_str(), 1);
  ASSERT_FOVEA(compile("spec"));
  EXPECT_EQ(info.cache_hit, 1);
  // "": the built-in schedules, whatever the environment says.
  o = options();
  o.tuning = "";
  ASSERT_FOVEA(compile("spec", o));
  EXPECT_EQ(info.cache_hit, 0);
  write("");
  EXPECT_EQ(compile("spec"), FOVEA_INVALID);
  EXPECT_EQ(fovea_message(), "expected FOVEA_TUNING to name a tuning table, "
                             "got '" +
                                 path + "', which is empty");
  unlink(path.c_str());
  EXPECT_EQ(compile("spec"), FOVEA_INVALID);
  EXPECT_EQ(fovea_message(), "expected FOVEA_TUNING to name a tuning table, "
                             "got '" +
                                 path + "': No such file or directory");
  setenv("FOVEA_TUNING", root.c_str(), 1);
  EXPECT_EQ(compile("spec"), FOVEA_INVALID);
  EXPECT_NE(std::string(fovea_message()).find("Is a directory"),
            std::string::npos);
  setenv("FOVEA_TUNING", "", 1);
  ASSERT_FOVEA(compile("spec"));
  EXPECT_EQ(info.cache_hit, 1);
  unsetenv("FOVEA_TUNING");
}

TEST_F(Cache, RebuildsDamagedEntries) {
  ASSERT_FOVEA(compile("spec"));
  std::string file = entry();
  struct stat good;
  ASSERT_EQ(stat(file.c_str(), &good), 0);
  auto damage = [&](off_t at, off_t size) {
    log = diags = "";
    int fd = open(file.c_str(), O_RDWR);
    ASSERT_GE(fd, 0);
    if (at >= 0) {
      char byte = 0;
      ASSERT_EQ(pread(fd, &byte, 1, at), 1);
      byte = char(byte ^ 0x10);
      ASSERT_EQ(pwrite(fd, &byte, 1, at), 1);
    }
    ASSERT_EQ(ftruncate(fd, size), 0);
    close(fd);
    int before = buildsOf(name);
    ASSERT_FOVEA(compile("spec"));
    EXPECT_EQ(info.cache_hit, 0);
    EXPECT_EQ(heads, 4);
    EXPECT_EQ(buildsOf(name), before + 1);
    EXPECT_NE(log.find("is damaged"), std::string::npos) << log;
    EXPECT_EQ(log, diags);
    // And it is whole again.
    ASSERT_FOVEA(compile("spec"));
    EXPECT_EQ(info.cache_hit, 1);
  };
  damage(-1, 0);                                                // empty
  damage(-1, 100);                                              // truncated
  damage(-1, good.st_size - 1);                                 // by one byte
  damage(-1, good.st_size + 1);                                 // too long
  damage(0, good.st_size);                                      // magic
  damage(offsetof(fovea_bundle_header, version), good.st_size); // newer
  damage(offsetof(fovea_bundle_header, key), good.st_size);     // another's
  damage(good.st_size - 5, good.st_size);                       // code
}

TEST_F(Cache, WorksWithoutADirectory) {
  // A file where the directory should be: fails for root as well.
  directory = root + "/file";
  close(open(directory.c_str(), O_CREAT | O_WRONLY, 0600));
  ASSERT_FOVEA(compile("spec"));
  EXPECT_EQ(heads, 4);
  EXPECT_NE(log.find("no cache: cannot use the directory"), std::string::npos);
  EXPECT_EQ(log, diags);
  directory += "/below";
  log = "";
  ASSERT_FOVEA(compile("spec"));
  EXPECT_NE(log.find("Not a directory"), std::string::npos) << log;
  // Others may write it: what it holds is not to be run.
  directory = root + "/open";
  ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
  ASSERT_EQ(chmod(directory.c_str(), 0777), 0);
  log = "";
  ASSERT_FOVEA(compile("spec"));
  EXPECT_NE(log.find("other users may write it"), std::string::npos) << log;
  EXPECT_EQ(files().size(), 0u);
  // Chosen: no cache, no warning.
  log = "";
  fovea_jit_options o = options();
  o.cache_dir = "";
  ASSERT_FOVEA(compile("spec", o));
  EXPECT_EQ(log, "");
  EXPECT_STREQ(info.key, "");
}

TEST_F(Cache, WarnsWhenAnEntryCannotBeWritten) {
  // A directory that is not empty in the entry's place: rename fails.
  ASSERT_FOVEA(compile("spec"));
  std::string key = info.key;
  unlink(entry().c_str());
  mkdir((directory + "/" + key + ".fvb").c_str(), 0700);
  close(open((directory + "/" + key + ".fvb/x").c_str(), O_CREAT, 0600));
  ASSERT_FOVEA(compile("spec"));
  EXPECT_EQ(heads, 4);
  EXPECT_NE(log.find("cannot write the cache entry"), std::string::npos) << log;
  EXPECT_EQ(files().size(), 1u); // no temporary file stays
}

TEST_F(Cache, FindsItsDirectory) {
  auto with = [&](const char *own, const char *xdg, const char *home) {
    auto set = [](const char *name, const char *value) {
      value ? setenv(name, value, 1) : unsetenv(name);
    };
    std::string before = std::getenv("HOME") ? std::getenv("HOME") : "";
    set("FOVEA_CACHE_DIR", own);
    set("XDG_CACHE_HOME", xdg);
    set("HOME", home);
    fovea_jit_options o = options();
    o.cache_dir = nullptr;
    EXPECT_EQ(compile("spec", o), FOVEA_OK) << fovea_message();
    set("FOVEA_CACHE_DIR", nullptr);
    set("XDG_CACHE_HOME", nullptr);
    set("HOME", before.c_str());
  };
  std::string own = root + "/own", xdg = root + "/xdg", home = root + "/home";
  with(own.c_str(), xdg.c_str(), home.c_str());
  directory = own;
  EXPECT_EQ(files().size(), 1u);
  with(nullptr, xdg.c_str(), home.c_str());
  directory = xdg + "/fovea";
  EXPECT_EQ(files().size(), 1u);
  with(nullptr, "relative", home.c_str());
  directory = home + "/.cache/fovea";
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(log, "");
  with(nullptr, nullptr, nullptr);
  EXPECT_NE(log.find("no cache: neither"), std::string::npos);
}

TEST_F(Cache, ServesProcessesAndThreadsAtOnce) {
  constexpr int processes = 4, threads = 3, rounds = 20;
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p) {
    pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      std::atomic<int> bad{0};
      const fovea_jit_options shared = options();
      std::vector<std::thread> team;
      for (int t = 0; t < threads; ++t)
        team.emplace_back([&] {
          fovea_jit_options o = shared;
          fovea_jit_info mine{};
          mine.size = sizeof mine;
          o.info = &mine;
          for (int i = 0; i < rounds; ++i) {
            std::string spec(size_t(1 + i % 5), 'x');
            fovea_bundle *own = nullptr;
            bad += fovea_jit_compile(ctx, "s", spec.data(), spec.size(), &o,
                                     &own) != FOVEA_OK;
            fovea_bundle_close(own);
            // Now and then an entry disappears under the others.
            if (i == 10)
              unlink((directory + "/" + mine.key + ".fvb").c_str());
          }
        });
      for (std::thread &t : team)
        t.join();
      _exit(bad || !log.empty());
    }
    children.push_back(pid);
  }
  for (pid_t pid : children) {
    int status = -1;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  for (const std::string &file : files())
    EXPECT_EQ(file.find('.'), 32u) << file; // entries, no temporary files
  for (size_t n = 1; n <= 5; ++n) {
    ASSERT_FOVEA(compile(std::string(n, 'x')));
    EXPECT_EQ(heads, int64_t(n));
  }
  EXPECT_EQ(log, "");
}

TEST_F(Cache, PassesOnErrorsOfTheCompiler) {
  EXPECT_REFUSED(FOVEA_INVALID, "spec.mlir:1:1: expected a spec, got '!'",
                 compile("!"));
  EXPECT_EQ(diags, "expected a spec, got '!'\n");
  EXPECT_EQ(files().size(), 0u);
  int stop = 1;
  fovea_jit_options o = options();
  o.cancel = &stop;
  EXPECT_REFUSED(FOVEA_CANCELLED, "cancelled", compile("spec", o));
}

TEST_F(Cache, NeedsTheRightLibrary) {
  name = "nowhere";
  EXPECT_REFUSED(FOVEA_UNSUPPORTED,
                 "expected the compiler's library, got:", compile("spec"));
  name = "fake-jit-newer";
  EXPECT_REFUSED(FOVEA_UNSUPPORTED, "of interface 3", compile("spec"));
  name = "fake-jit-anonymous";
  ASSERT_FOVEA(compile("spec"));
  EXPECT_NE(log.find("has no build id"), std::string::npos) << log;
  EXPECT_EQ(files().size(), 0u);
}

TEST_F(Cache, ChecksItsCall) {
  fovea_jit_options o = options();
  o.targets = "host,,x86-64";
  EXPECT_REFUSED(FOVEA_INVALID, "comma-separated list", compile("spec", o));
  o = options();
  o.n_defines = 1;
  EXPECT_REFUSED(FOVEA_INVALID, "options.defines", compile("spec", o));
  o = options();
  o.size = 3;
  EXPECT_REFUSED(FOVEA_INVALID, "fovea_jit_options.size", compile("spec", o));
  EXPECT_REFUSED(FOVEA_INVALID, "expected a spec, got NULL",
                 fovea_jit_compile(ctx, "x", nullptr, 0, nullptr, &bundle));
}

TEST_F(Cache, NothingCompilesAfterTheSeal) {
  ASSERT_FOVEA(compile("spec"));
  ASSERT_FOVEA(fovea_seal(ctx));
  EXPECT_REFUSED(FOVEA_SEALED, "before fovea_seal", compile("spec"));
}

} // namespace

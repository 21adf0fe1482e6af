// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The KV cache manager: pools of pages, sequences, and what a plan asks of
// them. A cache is managed (fovea_kv_create) or borrowed from the host
// (fovea_kv_borrow); both answer a plan alike. Nothing but create, borrow,
// save and load allocates.
#ifndef FOVEA_RUNTIME_KVCACHE_CACHE_H
#define FOVEA_RUNTIME_KVCACHE_CACHE_H

#include "runtime/kvcache/Storage.h"

namespace fovea::rt {

class GpuCache;

/// The pages of one segment. A page has as many owners as sequences list it;
/// one with more than one is never written.
struct PagePool {
  int32_t *free = nullptr; // a stack
  int32_t *refs = nullptr;
  int64_t count = 0, nFree = 0;

  int32_t take() {
    int32_t page = free[--nFree];
    refs[page] = 1;
    return page;
  }
  void drop(int32_t page) {
    if (--refs[page] == 0)
      free[nFree++] = page;
  }
  bool shared(int32_t page) const { return refs[page] > 1; }
};

/// A segment's memory: pages x pageBytes per layer.
struct SegmentStore {
  PagePool pool;
  char *memory = nullptr;
  int64_t layerBytes = 0;
  int32_t *tables = nullptr; // [sequences, perSequence]
};

struct Sequence {
  uint64_t id = 0;
  int64_t committed = 0, uncommitted = 0;
  int64_t newRow = 0; // its first row where `new` is contiguous
  uint32_t generation = 0;
  uint32_t batch = 0;   // the reservation it was last part of
  uint32_t seen = 0;    // the call that met it last
  int32_t reserved = 0; // rows of that reservation
  int32_t nPages[maxSegments] = {};
  int32_t treeFirst = -1, treeLast = -1; // entries of its tree; -1: a chain
  bool live = false;
  bool locked = false; // in a batch whose reservation calls `evict`
  int64_t length() const { return committed + uncommitted; }
};

/// A row of a tree: its parent's number or -1, and the next row's entry.
struct TreeNode {
  int32_t parent, next;
};

/// The host's tables of one segment (fovea_kv_borrow_tables).
struct BorrowedTable {
  int32_t n = 0;
  const uint64_t *seq = nullptr;
  const int64_t *indptr = nullptr;
  const int32_t *pages = nullptr;
  const int64_t *begin = nullptr, *end = nullptr;
};

/// Checks a tensor of the host against what it must be (an extent of -1: any)
/// and makes its view.
fovea_status checkPart(const fovea_tensor *tensor, const char *what,
                       uint32_t dtype, uint32_t rank, const int64_t *extents,
                       fovea_abi_view &out, int device = kDLCPU);

} // namespace fovea::rt

struct fovea_kv {
  explicit fovea_kv(fovea_kernel *kernel) : kernel(kernel) {}
  ~fovea_kv();

  // --- for plans ----------------------------------------------------------
  // Sequences are named by their index, which stays until they are freed (of a
  // borrowed cache: until its tables are set again).

  /// Checks a batch: known sequences, each once, offsets that ascend,
  /// positions that exist. With `append` also makes room for its rows, all or
  /// nothing, after which they are part of every length.
  fovea_status reserve(const fovea_batch &batch, bool append);
  /// Takes the rows of the last reserve(.., true) back, of this batch.
  void rollback(const fovea_batch &batch);

  /// -1: unknown.
  int32_t find(uint64_t seq) const;
  int64_t length(int32_t i) const;
  /// Rows that an append may have reserved: of a borrowed cache, whose host
  /// alone knows, any of its tokens.
  int64_t uncommitted(int32_t i) const;
  /// Changes when tokens that a snapshot knows may be gone or elsewhere: by
  /// trim, free and commit, not by growth.
  uint32_t generation(int32_t i) const;

  /// Uncommitted rows of a sequence if they are a tree; 0 if they are a chain.
  int64_t treeRows(int32_t i) const {
    return borrowed || seqs[i].treeFirst < 0 ? 0 : seqs[i].uncommitted;
  }
  /// Writes the parents of these rows, `stride` numbers apart.
  void copyTree(int32_t i, int32_t *parents, int64_t stride) const;

  uint32_t nSegments() const { return storage.n; }
  /// Most page ids that snapshot writes for `seqs` sequences of at most
  /// max_len tokens. Of the records alone: plans are made before caches.
  static int64_t tableCapacity(const fovea::rt::CacheRecords &records,
                               uint32_t segment, int64_t seqs, int64_t maxLen) {
    return seqs * fovea::rt::segmentPages(records.segments[segment], maxLen);
  }
  /// Ranges [batch.n] of a segment and the pages they name. The batch has
  /// passed reserve. FOVEA_INVALID if `capacity` is too small, or for a
  /// borrowed cache if its tables are wrong.
  fovea_status snapshot(const fovea_batch &batch, uint32_t segment,
                        fovea_abi_range *ranges, int32_t *pages,
                        int64_t capacity, int64_t *used) const;
  /// The items of a `pages` stage after the rows of the batch were appended.
  /// Returns their number; those beyond `capacity` are not written.
  int64_t touchedPages(const fovea_batch &batch, fovea_abi_item *items,
                       int64_t capacity) const;
  /// A part's pool; `part` counts within the segment.
  const fovea_abi_view &view(int layer, uint32_t segment, uint32_t part) const {
    return views[size_t(layer) * storage.nParts +
                 storage.segments[segment].firstPart + part];
  }
  /// Sets the view slots that another kernel's cache argument of the same
  /// storage gives to the parts.
  void bindParts(const fovea::rt::CacheRecords &other, int layer,
                 fovea_abi_view *slots) const;
  /// Leading tokens of two sequences that lie in the same pages.
  int64_t sharedPrefix(int32_t i, int32_t j) const;

  const fovea::rt::CacheRecords &records() const { return storage.records; }
  int layers() const { return limits.layers; }

  // --- the manager's own --------------------------------------------------
  using Seq = fovea::rt::Sequence;

  fovea_ctx &ctx() const { return *kernel->bundle->ctx.get(); }
  fovea_status create(const fovea_kv_limits &);
  fovea_status createBorrowed(int layers, const fovea_kv_part *, int n);
  fovea_status managed() const;
  /// managed() and not inside the eviction callback.
  fovea_status idle() const;
  /// The sequence, or FOVEA_INVALID.
  fovea_status known(uint64_t seq, int32_t &i) const;

  // Sequences.cpp
  int32_t insert(uint64_t seq); // there is room and no such id
  void remove(int32_t i);
  fovea_status canBegin(uint64_t seq) const;
  /// Whether the first `len` tokens can be what a sequence of `len` has.
  fovea_status canCut(int32_t i, int64_t len, const char *verb) const;
  fovea_status fork(int32_t parent, int64_t len, uint64_t child);
  fovea_status trim(int32_t i, int64_t len);
  /// Gives pages back beyond those that the lengths need.
  void shrink(int32_t i);

  // Pages
  int32_t *table(uint32_t segment, int32_t i) const {
    return stores[segment].tables +
           int64_t(i) * storage.segments[segment].perSequence;
  }
  bool pagedNew() const {
    return storage.fresh >= 0 &&
           storage.segments[storage.fresh].record->page_tokens != 0;
  }
  fovea::rt::TokenRange tokens(uint32_t segment, int32_t i) const {
    return tokensOf(storage, segment, seqs[i].committed, seqs[i].uncommitted);
  }
  /// Pages that a segment needs for a sequence, all tokens committed.
  int64_t needed(uint32_t segment, int64_t committed,
                 int64_t uncommitted) const;
  /// Whether the page that the next token of the segment goes to has tokens
  /// and other owners.
  bool openIsShared(uint32_t segment, int32_t i) const;
  void copyPage(uint32_t segment, int32_t from, int32_t to);
  /// Gives the sequence a page of its own in place of a shared one.
  void makePrivate(uint32_t segment, int32_t i, int64_t slotPage);
  /// Copies n tokens' rows inside a segment, all layers; pages may be equal.
  void moveRows(uint32_t segment, int32_t fromPage, int64_t from,
                int32_t toPage, int64_t to, int64_t n);
  /// Bytes of one token in one layer.
  int64_t rowBytes(uint32_t segment) const;
  /// One token's rows of one layer to or from memory, part after part.
  void readRow(uint32_t segment, int layer, int32_t page, int64_t offset,
               char *out) const;
  void writeRow(uint32_t segment, int layer, int32_t page, int64_t offset,
                const char *in);

  // Reserve.cpp
  fovea_status checkBatch(const fovea_batch &batch, bool append);
  /// Positions of the rows of sequence i, which has `length` tokens
  /// (append: without them).
  fovea_status checkPositions(const fovea_batch &batch, int i, int64_t length,
                              bool append) const;
  /// Whether `rows` more rows of all sequences fit into limits.rows.
  fovea_status checkRows(int64_t rows) const;
  /// Pages of the growing segment that one sequence lacks for `rows` more.
  int64_t lacking(int32_t i, int64_t rows) const;
  /// Calls `evict` until `lack()` pages are free. The caller has locked what
  /// must stay.
  template <typename Lack>
  fovea_status makeRoom(Lack lack) {
    for (int64_t before = INT64_MAX;;) {
      int64_t missing = lack();
      if (missing <= 0)
        return FOVEA_OK;
      // One that promised pages and freed none would be asked for ever.
      if (missing >= before || !evict(missing))
        return noPages(missing);
      before = missing;
    }
  }
  bool evict(int64_t missing);
  fovea_status noPages(int64_t missing) const;
  void grow(int32_t i, int64_t rows, const int32_t *parents);
  /// Rows of the batch for sequences of a contiguous `new`: moves others where
  /// there is a gap.
  void placeNew(int n);

  /// Where a token of a sequence lies in a segment.
  void place(uint32_t segment, int32_t i, int64_t token, int32_t &page,
             int32_t &offset) const;

  // Tree.cpp
  /// Parents of the rows of the batch's sequence i, number `at` in the cache
  /// (of a borrowed one: -1).
  fovea_status checkParents(const fovea_batch &batch, int i, int32_t at,
                            bool append) const;
  void pushTree(Seq &s, int32_t parent);
  void growTree(int32_t i, int64_t rows, const int32_t *parents);
  /// Forgets all but the first `rows` entries.
  void cutTree(int32_t i, int64_t rows);

  // Commit.cpp: `kept` holds n row numbers.
  fovea_status commit(int32_t i, const int32_t *keep, int n);
  fovea_status readKeep(int32_t i, const int32_t *keep, int &n);
  fovea_status moveKept(int32_t i, int64_t n);
  void compact(int32_t i, int64_t n);

  // Service.cpp: the bundle's stages over the pools.
  /// FOVEA_UNSUPPORTED without code for this CPU.
  fovea_status canRun() const;
  /// A stage's machine code, found once: looking it up takes as long as a
  /// small stage runs.
  struct Service {
    int32_t stage = -1;
    uint32_t variants = 0;
    int64_t mostRows[fovea::rt::maxVariants] = {};
    fovea_stage_fn entries[fovea::rt::maxVariants] = {}; // NULL on a GPU
    const fovea_bundle_variant *records[fovea::rt::maxVariants] = {};
    int64_t step = INT64_MAX; // rows per item
  };
  void findService(int32_t stage, Service &out);
  /// Finds them all. Returns the scratch memory that a worker needs.
  size_t findServices();
  void setSlots();
  /// A stage over n items or moves: one layer, or all at -1.
  fovea_status launch(const Service &service, fovea_abi_plan &plan, int64_t n,
                      int layer, int64_t bytes);
  fovea_status runMoves(int64_t n);
  /// The metadata of the pages in `items`.
  fovea_status runPages(int64_t n, int layer = -1);
  /// Metadata of the pages of a segment that hold its tokens [begin, end).
  fovea_status refresh(uint32_t segment, int32_t i, int64_t begin, int64_t end);
  fovea_status write(const fovea_batch &batch, int layer, const fovea_tensor *k,
                     const fovea_tensor *v);
  fovea_status appendRows(const fovea_batch &batch, int first, int last,
                          int layer);

  // File.cpp
  fovea_status save(int32_t i, const char *path) const;
  fovea_status load(const char *path, uint64_t seq);

  // Borrow.cpp
  /// Segments that the host gives tables for: all but `new`.
  uint32_t nTables() const { return storage.n - (storage.fresh >= 0); }
  /// The row of a sequence in a segment's tables, at `hint` as a rule; -1.
  int32_t borrowedRow(uint32_t segment, uint64_t seq, int32_t hint) const;
  fovea::rt::TokenRange borrowedTokens(uint32_t segment, int32_t row) const;
  int64_t borrowedNeeds(uint32_t segment, const fovea::rt::TokenRange &) const;
  fovea_status checkBorrowed(const fovea_batch &batch, bool append);
  fovea_status checkBorrowedRow(uint32_t segment, uint64_t seq, int32_t row,
                                int64_t &from) const;
  fovea_status markWritten(uint64_t seq, int32_t row, int64_t rows);
  fovea_status borrowedSnapshot(const fovea_batch &batch, uint32_t segment,
                                fovea_abi_range *ranges, int32_t *pages,
                                int64_t capacity, int64_t *used) const;

  fovea::rt::Ref<fovea_kernel> kernel;
  fovea::rt::StoragePlan storage;
  fovea_kv_limits limits{};
  bool borrowed = false;
  bool evicting = false;

  fovea::rt::SegmentStore stores[fovea::rt::maxSegments];
  fovea_abi_view *views = nullptr;    // [layers, nParts]
  void *book = nullptr;               // all tables, one allocation
  fovea::rt::GpuCache *gpu = nullptr; // has the pools; NULL on the CPU

  Seq *seqs = nullptr; // [limits.seqs]
  int32_t *freeSeqs = nullptr;
  int64_t nFreeSeqs = 0;
  int32_t *index = nullptr; // hash of ids: index + 1, 0: empty
  uint64_t indexMask = 0;
  fovea::rt::TreeNode *treeNodes = nullptr; // [limits.rows]
  int32_t treeFree = -1;                    // the first free one
  int64_t uncommittedRows = 0;              // of all sequences
  int64_t newTop = 0;       // rows used where `new` is contiguous
  uint32_t reservation = 0; // counts reserve(.., true)
  int64_t copies = 0, evictions = 0;

  // Scratch of one call.
  int32_t *batchIndex = nullptr; // [limits.seqs]
  int32_t *batchRows = nullptr;
  int32_t *order = nullptr;    // [limits.seqs]
  int32_t *kept = nullptr;     // [limits.rows]
  int32_t *consumer = nullptr; // [limits.rows]
  mutable uint32_t call = 0;
  fovea_abi_move *moves = nullptr; // [2 * limits.rows]
  int64_t nItems = 0;
  fovea_abi_item *items = nullptr;   // [nItems]
  fovea_abi_range *ranges = nullptr; // [nSegments, limits.seqs]
  int64_t *rowOff = nullptr, *qOff = nullptr, *lengths = nullptr;
  char *rowBuffer = nullptr; // one token of segment 0, all layers

  Service appendService, movesService, pagesService;
  uint32_t keyRank = 3;
  fovea_abi_view *slots = nullptr;     // [layers, kernel views]
  fovea_abi_args *stageArgs = nullptr; // [layers]
  fovea_abi_scalar *scalars = nullptr; // zeros
  int64_t *symbols = nullptr;          // zeros
  char *scratch = nullptr;             // [workers, scratchBytes]
  size_t scratchBytes = 0;

  // Borrowed.
  fovea::rt::BorrowedTable borrowedTable[fovea::rt::maxSegments];
  int64_t borrowedPages[fovea::rt::maxSegments] = {};
  uint32_t *pageMark = nullptr; // of the segment that is appended to
  uint32_t markEpoch = 0;
};

#endif // FOVEA_RUNTIME_KVCACHE_CACHE_H

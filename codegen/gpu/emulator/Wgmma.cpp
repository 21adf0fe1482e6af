// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// wgmma of a warpgroup. A product is computed at the wait for its group, as
// late as PTX allows; until then its accumulators are NaNs that say which
// product and register they stand for.
#include "codegen/gpu/emulator/Calls.h"
#include "codegen/gpu/emulator/Numbers.h"

using namespace fovea::emulator;

namespace {
struct WgmmaSlot {
  uint64_t a, b;
  const uint32_t *registers, *in;
  uint32_t *out, kind, n, flags;
};
struct WaitSlot {
  uint32_t pending;
};
} // namespace

// A tag: a quiet NaN with 15 bits of the product's number and 7 of the
// register's. As an integer it is beyond any sum of products of bytes.
static constexpr uint32_t tagBits = 0x7fc00000;
static constexpr uint32_t numbers = 1 << 15;
static uint32_t tagOf(uint32_t product, uint32_t i) {
  return tagBits | (product % (numbers - 1) + 1) << 7 | i;
}
static bool isTag(uint32_t bits) {
  return (bits & tagBits) == tagBits && bits < 0x80000000 && bits & 0x3fff80;
}

// The product a tag stands for, or null if it has been forgotten.
static Product *productOf(Cta &cta, uint32_t tag) {
  uint32_t number = (tag >> 7 & (numbers - 1)) - 1;
  for (auto it = cta.products.rbegin(); it != cta.products.rend(); ++it)
    if ((*it)->number % (numbers - 1) == number)
      return it->get();
  return nullptr;
}

// The swizzle keeps 16 bytes together.
static uint32_t swizzled(uint32_t address) {
  return address ^ (address >> 3 & 0x70);
}

// An operand as rows of 32 bytes of depth. Transposed, memory holds for each
// element of depth 64 rows side by side. `chunk` gives 16 bytes at an address
// before the swizzle.
template <typename Chunk>
static void readOperand(Cta &cta, Unit *unit, uint64_t descriptor,
                        bool transpose, uint32_t rows, uint8_t (*out)[32],
                        Chunk chunk) {
  uint32_t start = uint32_t(descriptor & 0x3fff) << 4;
  uint32_t leading = uint32_t(descriptor >> 16 & 0x3fff) << 4;
  uint32_t stride = uint32_t(descriptor >> 32 & 0x3fff) << 4;
  if (descriptor >> 62 != 1)
    cta.fail(unit, FOVEA_EMULATOR_INVALID, "wgmma",
             "expected a descriptor of the 128-byte swizzle, got mode %u",
             uint32_t(descriptor >> 62));
  if (!transpose) {
    for (uint32_t r = 0; r < rows; ++r)
      for (uint32_t k = 0; k < 32; k += 16)
        memcpy(out[r] + k, chunk(start + r / 8 * stride + r % 8 * 128 + k), 16);
    return;
  }
  for (uint32_t k = 0; k < 16; ++k)
    for (uint32_t r = 0; r < rows; r += 8) {
      const char *from = chunk(start + r / 64 * leading + k / 8 * stride +
                               k % 8 * 128 + r % 64 * 2);
      for (uint32_t i = 0; i < 8; ++i)
        memcpy(out[r + i] + 2 * k, from + 2 * i, 2);
    }
}

static float decode(uint32_t kind, const uint8_t *row, uint32_t k) {
  uint16_t half;
  memcpy(&half, row + 2 * (k % 16), 2);
  switch (kind) {
  case 0:
    return fromF16(half);
  case 1:
    return fromBf16(half);
  case 2:
    return fromE4m3(row[k]);
  case 3:
    return fromE5m2(row[k]);
  default:
    return int8_t(row[k]); // sums of 32 products are exact in float
  }
}

// From now until its wait the product may read its operands.
static void noteReads(Cta &cta, Unit *unit, Product &product) {
  static thread_local uint8_t unused[256][32];
  static const char nothing[16] = {};
  product.race = cta.races->beginProduct(product.group);
  auto chunk = [&](uint32_t address) {
    cta.races->multiply(unit, product.race, swizzled(address));
    return nothing;
  };
  readOperand(cta, unit, product.b, product.flags & 1, product.n, unused,
              chunk);
  if (!(product.flags & 4))
    readOperand(cta, unit, product.a, false, 64, unused, chunk);
}

static void compute(Cta &cta, Unit *unit, Product &product) {
  static thread_local uint8_t a[64][32], b[256][32];
  static thread_local float left[64][32], right[256][32];
  uint32_t n = product.n, depth = product.kind < 2 ? 16 : 32;
  auto chunk = [&](uint32_t address) {
    return cta.asyncRead(unit, "wgmma", swizzled(address), 16, 16);
  };
  readOperand(cta, unit, product.b, product.flags & 1, n, b, chunk);
  if (product.flags & 4) {
    for (uint32_t t = 0; t < 128; ++t)
      for (uint32_t i = 0; i < 4; ++i)
        memcpy(a[t / 32 * 16 + t % 32 / 4 + 8 * (i & 1)] + 4 * (t % 4) +
                   16 * (i >> 1),
               &product.registers[4 * t + i], 4);
  } else {
    readOperand(cta, unit, product.a, false, 64, a, chunk);
  }
  for (uint32_t k = 0; k < depth; ++k) {
    for (uint32_t r = 0; r < 64; ++r)
      left[r][k] = decode(product.kind, a[r], k);
    for (uint32_t r = 0; r < n; ++r)
      right[r][k] = decode(product.kind, b[r], k);
  }
  for (uint32_t t = 0; t < 128; ++t)
    for (uint32_t i = 0; i < n / 2; ++i) {
      uint32_t row = 16 * (t / 32) + t % 32 / 4 + 8 * (i >> 1 & 1);
      uint32_t column = 8 * (i / 4) + 2 * (t % 4) + (i & 1);
      uint32_t &bits = product.values[t * (n / 2) + i];
      if (product.flags & 2) {
        bits = 0;
      } else if (isTag(bits)) {
        Product *before = productOf(cta, bits);
        if (!before || !before->done)
          cta.fail(unit, FOVEA_EMULATOR_INVALID, "wgmma",
                   "expected accumulators of a recent product of this "
                   "warpgroup, got register %u of another",
                   bits & 127);
        bits = before->values[t * (before->n / 2) + (bits & 127)];
      }
      float sum = 0;
      for (uint32_t k = 0; k < depth; ++k)
        sum += left[row][k] * right[column][k];
      bits = product.kind == 4 ? bits + uint32_t(int32_t(sum))
                               : bitsOf(floatOf(bits) + sum);
    }
  product.done = true;
  if (cta.races)
    cta.races->multiplied(product.group, product.race);
}

void calls::wgmma(Unit *unit, uint32_t kind, uint32_t n, uint32_t flags,
                  uint64_t aDescriptor, const uint32_t *aRegisters,
                  uint64_t bDescriptor, const uint32_t *in, uint32_t *out) {
  if (kind > 4 || !n || n % 8 || n > 256 || (flags & 1 && kind > 1))
    unit->cta->fail(unit, FOVEA_EMULATOR_INVALID, "wgmma",
                    "expected a kind up to 4 and n a multiple of 8 up to 256, "
                    "transposed only with 16 bits, got kind %u, n %u",
                    kind, n);
  WgmmaSlot slot = {aDescriptor, bDescriptor, aRegisters, in,
                    out,         kind,        n,          flags};
  unit->cta->meetGroup(
      unit, "wgmma", kind | flags << 4 | n << 8, &slot,
      [](Cta &cta, Unit *unit, void **slots) {
        auto &first = *static_cast<WgmmaSlot *>(slots[0]);
        auto product = std::make_unique<Product>();
        product->number = cta.productCount++;
        product->group = unit->id / 128;
        product->kind = first.kind;
        product->n = first.n;
        product->flags = first.flags;
        product->a = first.a;
        product->b = first.b;
        product->commit = cta.commits[unit->id / 128];
        uint32_t count = first.n / 2;
        product->values.resize(128 * count);
        product->registers.resize(512);
        bool same = true;
        for (uint32_t t = 0; t < 128; ++t) {
          auto &one = *static_cast<WgmmaSlot *>(slots[t]);
          same &= one.b == first.b && (first.flags & 4 || one.a == first.a);
          memcpy(&product->values[t * count], one.in, 4 * count);
          if (first.flags & 4)
            memcpy(&product->registers[4 * t], one.registers, 16);
          for (uint32_t i = 0; i < count; ++i)
            one.out[i] = tagOf(product->number, i);
        }
        cta.products.push_back(std::move(product));
        if (!same)
          cta.fail(unit, FOVEA_EMULATOR_DIVERGED, "wgmma",
                   "expected the same descriptors in all threads of "
                   "warpgroup %u",
                   unit->id / 128);
        if (cta.races)
          noteReads(cta, unit, *cta.products.back());
      });
}

void calls::wgmma_fence(Unit *unit) {
  unit->cta->meetGroup(unit, "wgmma_fence", 0, nullptr, nullptr);
}

void calls::wgmma_commit(Unit *unit) {
  unit->cta->meetGroup(
      unit, "wgmma_commit", 0, nullptr,
      [](Cta &cta, Unit *unit, void **) { ++cta.commits[unit->id / 128]; });
}

void calls::wgmma_wait(Unit *unit, uint32_t pending, uint32_t count,
                       const uint32_t *in, uint32_t *out) {
  WaitSlot slot = {pending};
  unit->cta->meetGroup(
      unit, "wgmma_wait", pending, &slot,
      [](Cta &cta, Unit *unit, void **slots) {
        uint32_t group = unit->id / 128;
        uint32_t pending = static_cast<WaitSlot *>(slots[0])->pending;
        for (auto &product : cta.products)
          if (product->group == group && !product->done &&
              product->commit + pending < cta.commits[group])
            compute(cta, unit, *product);
        // What lies far back has gone through its wait.
        while (cta.products.size() > 512 && cta.products.front()->done)
          cta.products.erase(cta.products.begin());
      });
  for (uint32_t i = 0; i < count; ++i) {
    out[i] = in[i];
    if (!isTag(in[i]))
      continue;
    Product *product = productOf(*unit->cta, in[i]);
    if (product && product->done)
      out[i] =
          product->values[unit->id % 128 * (product->n / 2) + (in[i] & 127)];
  }
}

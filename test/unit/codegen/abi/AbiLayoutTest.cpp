// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pins the layout of fovea/abi.h: whoever changes a number here changes the
// ABI and must bump FOVEA_ABI_VERSION.
#include "codegen/abi/AbiLayout.h"

#include <gtest/gtest.h>

using namespace fovea::cabi;

TEST(AbiLayout, versionOfThesePins) { EXPECT_EQ(FOVEA_ABI_VERSION, 4); }

TEST(AbiLayout, sizes) {
  EXPECT_EQ(view::bytes, 104);
  EXPECT_EQ(scalar::bytes, 8);
  EXPECT_EQ(args::bytes, 40);
  EXPECT_EQ(item::bytes, 40);
  EXPECT_EQ(plan::bytes, 80);
  EXPECT_EQ(source::bytes, 8);
  EXPECT_EQ(row::bytes, 8);
  EXPECT_EQ(range::bytes, 64);
  EXPECT_EQ(fovea::cabi::move::bytes, 24);
  EXPECT_EQ(counters::bytes, 64);
  EXPECT_EQ(run::bytes, 16);
}

TEST(AbiLayout, fields) {
  EXPECT_EQ(view::data.offset, 0);
  EXPECT_EQ(view::shape(0).offset, 8);
  EXPECT_EQ(view::shape(5).offset, 48);
  EXPECT_EQ(view::stride(0).offset, 56);
  EXPECT_EQ(view::stride(5).offset, 96);
  EXPECT_EQ(args::size.offset, 0);
  EXPECT_EQ(args::nViews.offset, 4);
  EXPECT_EQ(args::views.offset, 8);
  EXPECT_EQ(args::scalars.offset, 16);
  EXPECT_EQ(args::summaries.offset, 24);
  EXPECT_EQ(args::device.offset, 32);
  EXPECT_EQ(item::b.offset, 0);
  EXPECT_EQ(item::head.offset, 4);
  EXPECT_EQ(item::row.offset, 8);
  EXPECT_EQ(item::slot.offset, 12);
  EXPECT_EQ(item::k0.offset, 16);
  EXPECT_EQ(item::k1.offset, 24);
  EXPECT_EQ(item::count.offset, 32);
  EXPECT_EQ(item::flags.offset, 36);
  EXPECT_EQ(plan::size.offset, 0);
  EXPECT_EQ(plan::items.offset, 8);
  EXPECT_EQ(plan::nItems.offset, 16);
  EXPECT_EQ(plan::symbols.offset, 24);
  EXPECT_EQ(plan::qOff.offset, 32);
  EXPECT_EQ(plan::kLen.offset, 40);
  EXPECT_EQ(plan::rowOff.offset, 48);
  EXPECT_EQ(plan::sources.offset, 56);
  EXPECT_EQ(plan::rows.offset, 64);
  EXPECT_EQ(plan::moves.offset, 72);
  EXPECT_EQ(source::slot.offset, 0);
  EXPECT_EQ(source::row.offset, 4);
  EXPECT_EQ(row::b.offset, 0);
  EXPECT_EQ(row::position.offset, 4);
  EXPECT_EQ(range::begin.offset, 0);
  EXPECT_EQ(range::end.offset, 8);
  EXPECT_EQ(range::base.offset, 16);
  EXPECT_EQ(range::table.offset, 24);
  EXPECT_EQ(range::shift.offset, 32);
  EXPECT_EQ(fovea::cabi::move::from.offset, 0);
  EXPECT_EQ(fovea::cabi::move::to.offset, 4);
  EXPECT_EQ(fovea::cabi::move::fromPage.offset, 8);
  EXPECT_EQ(fovea::cabi::move::fromOffset.offset, 12);
  EXPECT_EQ(fovea::cabi::move::toPage.offset, 16);
  EXPECT_EQ(fovea::cabi::move::toOffset.offset, 20);
  EXPECT_EQ(counters::tilesFull.offset, 0);
  EXPECT_EQ(counters::tilesPartial.offset, 8);
  EXPECT_EQ(counters::pairs.offset, 16);
  EXPECT_EQ(counters::items.offset, 24);
  EXPECT_EQ(run::lo.offset, 0);
  EXPECT_EQ(run::hi.offset, 8);
}

// The load width must be that of the C member, or a load reads a neighbour.
TEST(AbiLayout, widths) {
  auto width = [](Field field) {
    return field.type == FieldType::I32 ? 4u : 8u;
  };
  EXPECT_EQ(width(args::nViews), sizeof(fovea_abi_args::n_views));
  EXPECT_EQ(width(args::views), sizeof(fovea_abi_args::views));
  EXPECT_EQ(width(args::summaries), sizeof(fovea_abi_args::summaries));
  EXPECT_EQ(width(args::device), sizeof(fovea_abi_args::device));
  EXPECT_EQ(width(item::b), sizeof(fovea_abi_item::b));
  EXPECT_EQ(width(item::row), sizeof(fovea_abi_item::row));
  EXPECT_EQ(width(item::k0), sizeof(fovea_abi_item::k0));
  EXPECT_EQ(width(item::count), sizeof(fovea_abi_item::count));
  EXPECT_EQ(width(plan::nItems), sizeof(fovea_abi_plan::n_items));
  EXPECT_EQ(width(counters::pairs), sizeof(fovea_abi_counters::pairs));
  EXPECT_EQ(width(run::lo), sizeof(fovea_abi_run::lo));
  EXPECT_EQ(width(item::flags), sizeof(fovea_abi_item::flags));
  EXPECT_EQ(width(source::row), sizeof(fovea_abi_source::row));
  EXPECT_EQ(width(row::b), sizeof(fovea_abi_row::b));
  EXPECT_EQ(width(range::shift), sizeof(fovea_abi_range::shift));
  EXPECT_EQ(width(fovea::cabi::move::to), sizeof(fovea_abi_move::to));
}

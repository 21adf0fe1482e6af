// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A mask as a drawing: keys to the right, queries down, with axes and legend.
#ifndef FOVEA_TOOLS_FOVEA_PICTURE_H
#define FOVEA_TOOLS_FOVEA_PICTURE_H

#include "tools/fovea/ClassMap.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fovea::cli {

/// What a rectangle of the drawing stands for. Levels are pooled keys.
enum class Paint { Full, Partial, Visible, Level2, Level4, Level8 };

class Picture {
public:
  /// Of the queries and keys of `window`.
  Picture(const Window &window, std::string title, std::string subtitle);
  /// Keys [k0, k1) of queries [q0, q1).
  void add(Paint paint, int64_t q0, int64_t q1, int64_t k0, int64_t k1);
  /// Pixels of one query: below about 1 single rows do not show.
  double pixelsPerQuery() const { return height / double(queries); }
  size_t rectangles() const { return shapes.size(); }
  std::string svg() const;
  /// The same as an element inside another drawing, its corner at x, y.
  std::string nested(double x, double y) const;
  double totalWidth() const;
  double totalHeight() const;

private:
  struct Shape {
    Paint paint;
    int64_t q0, q1, k0, k1;
  };
  std::string body() const;
  std::string boxes() const;
  std::string axes() const;
  std::string legend() const;

  Window window;
  int64_t queries, keys;
  std::string title, subtitle;
  double width = 760, height = 760;
  std::vector<Shape> shapes;
};

/// Pictures side by side under one title.
std::string multiples(const std::vector<Picture> &pictures,
                      const std::string &title);

/// printf into a string of at most 511 characters: one element of a drawing.
std::string svgText(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/// `text` with the characters that XML reserves replaced.
std::string escapeXml(const std::string &text);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_PICTURE_H

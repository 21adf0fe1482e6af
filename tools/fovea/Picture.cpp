// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Drawing masks as SVG.
#include "tools/fovea/Picture.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace fovea::cli {

static constexpr double kLeft = 70, kTop = 78, kLegendHeight = 62;

struct PaintRow {
  const char *color, *meaning;
};

/// Colours that differ in lightness too, for print and for the colour-blind.
static PaintRow paintRow(Paint paint) {
  switch (paint) {
  case Paint::Full:
    return {"#2b6cb0", "tile without mask code"};
  case Paint::Partial:
    return {"#f6c177", "tile with mask code"};
  case Paint::Visible:
    return {"#9c4221", "visible inside it"};
  case Paint::Level2:
    return {"#5a9bd4", "pooled by 2"};
  case Paint::Level4:
    return {"#8fc1e3", "pooled by 4"};
  case Paint::Level8:
    return {"#c9e2f2", "pooled by 8 or more"};
  }
  return {"#000000", ""};
}

static std::string text(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
static std::string text(const char *format, ...) {
  char buffer[512];
  va_list args;
  va_start(args, format);
  std::vsnprintf(buffer, sizeof(buffer), format, args);
  va_end(args);
  return buffer;
}

std::string escapeXml(const std::string &plain) {
  std::string result;
  for (char c : plain)
    switch (c) {
    case '&':
      result += "&amp;";
      break;
    case '<':
      result += "&lt;";
      break;
    case '>':
      result += "&gt;";
      break;
    case '"':
      result += "&quot;";
      break;
    default:
      result += c;
    }
  return result;
}

Picture::Picture(int64_t queries, int64_t keys, std::string title,
                 std::string subtitle)
    : queries(std::max<int64_t>(queries, 1)), keys(std::max<int64_t>(keys, 1)),
      title(std::move(title)), subtitle(std::move(subtitle)) {
  double ratio = double(this->queries) / double(this->keys);
  if (ratio <= 1)
    height = std::max(width * ratio, 120.0);
  else
    width = std::max(height / ratio, 240.0);
}

void Picture::add(Paint paint, int64_t q0, int64_t q1, int64_t k0, int64_t k1) {
  if (q0 < q1 && k0 < k1)
    shapes.push_back({paint, q0, q1, k0, k1});
}

/// A step of 1, 2 or 5 times a power of ten that gives about 8 ticks.
static int64_t tickStep(int64_t extent) {
  int64_t step = 1;
  for (int64_t factors[] = {2, 5, 10}, decade = 1;; decade *= 10)
    for (int64_t factor : factors) {
      if (extent / step <= 8)
        return step;
      step = decade * factor;
    }
}

std::string Picture::axes() const {
  std::string out;
  double x1 = kLeft + width, y1 = kTop + height;
  out += text("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
              "fill=\"none\" stroke=\"#333\"/>\n",
              kLeft, kTop, width, height);
  int64_t step = tickStep(keys);
  for (int64_t k = 0; k <= keys; k += step) {
    double x = kLeft + width * double(k) / double(keys);
    out += text("<path d=\"M%.1f %.1fv-5\" stroke=\"#333\"/><text x=\"%.1f\" "
                "y=\"%.1f\" text-anchor=\"middle\">%lld</text>\n",
                x, kTop, x, kTop - 8, (long long)k);
  }
  step = tickStep(queries);
  for (int64_t q = 0; q <= queries; q += step) {
    double y = kTop + height * double(q) / double(queries);
    out += text("<path d=\"M%.1f %.1fh-5\" stroke=\"#333\"/><text x=\"%.1f\" "
                "y=\"%.1f\" text-anchor=\"end\">%lld</text>\n",
                kLeft, y, kLeft - 8, y + 4, (long long)q);
  }
  out += text("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
              "font-weight=\"bold\">key</text>\n",
              (kLeft + x1) / 2, kTop - 24);
  out += text("<text transform=\"translate(16 %.1f) rotate(-90)\" "
              "text-anchor=\"middle\" font-weight=\"bold\">query</text>\n",
              (kTop + y1) / 2);
  return out;
}

std::string Picture::legend() const {
  std::string out;
  double x = kLeft, y = kTop + height + 18;
  auto entry = [&](const char *color, const char *meaning) {
    if (x > kLeft && x + 170 > kLeft + std::max(width, 560.0)) {
      x = kLeft;
      y += 22;
    }
    out += text("<rect x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"14\" "
                "fill=\"%s\" stroke=\"#333\" stroke-width=\"0.5\"/><text "
                "x=\"%.1f\" y=\"%.1f\">%s</text>\n",
                x, y, color, x + 20, y + 12, meaning);
    x += 180;
  };
  entry("#ffffff", "skipped");
  for (Paint paint : {Paint::Full, Paint::Partial, Paint::Visible,
                      Paint::Level2, Paint::Level4, Paint::Level8})
    if (std::any_of(shapes.begin(), shapes.end(),
                    [&](const Shape &s) { return s.paint == paint; }))
      entry(paintRow(paint).color, paintRow(paint).meaning);
  return out;
}

std::string Picture::svg() const {
  double totalWidth = kLeft + std::max(width, 560.0) + 30;
  double totalHeight = kTop + height + kLegendHeight;
  std::string out = text(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
      "height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" "
      "fill=\"#ffffff\"/>\n",
      totalWidth, totalHeight, totalWidth, totalHeight);
  out += "<text x=\"70\" y=\"20\" font-size=\"15\" font-weight=\"bold\">" +
         escapeXml(title) + "</text>\n<text x=\"70\" y=\"38\">" +
         escapeXml(subtitle) + "</text>\n";
  double sx = width / double(keys), sy = height / double(queries);
  for (const Shape &s : shapes) {
    double w = double(s.k1 - s.k0) * sx, h = double(s.q1 - s.q0) * sy;
    // Tiles that are large enough to tell apart get a thin border.
    bool border = s.paint != Paint::Visible && std::min(w, h) >= 6;
    out += text("<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                "fill=\"%s\"%s/>\n",
                kLeft + double(s.k0) * sx, kTop + double(s.q0) * sy, w, h,
                paintRow(s.paint).color,
                border ? " stroke=\"#ffffff\" stroke-width=\"0.6\"" : "");
  }
  return out + axes() + legend() + "</svg>\n";
}

} // namespace fovea::cli

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Drawing masks as SVG.
#include "tools/fovea/Picture.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace fovea::cli {

static constexpr double kLeft = 70, kTop = 78, kLegendHeight = 62;

struct PaintRow {
  const char *name, *color, *meaning;
};

/// Colours that differ in lightness too, for print and for the colour-blind.
static PaintRow paintRow(Paint paint) {
  switch (paint) {
  case Paint::Full:
    return {"full", "#2b6cb0", "tile without mask code"};
  case Paint::Partial:
    return {"partial", "#f6c177", "tile with mask code"};
  case Paint::Visible:
    return {"visible", "#9c4221", "visible inside it"};
  case Paint::Level2:
    return {"level2", "#5a9bd4", "pooled by 2"};
  case Paint::Level4:
    return {"level4", "#8fc1e3", "pooled by 4"};
  case Paint::Level8:
    return {"level8", "#c9e2f2", "pooled by 8 or more"};
  }
  return {"", "#000000", ""};
}

std::string svgText(const char *format, ...) {
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

Picture::Picture(const Window &window, std::string title, std::string subtitle)
    : window(window), queries(std::max<int64_t>(window.q1 - window.q0, 1)),
      keys(std::max<int64_t>(window.k1 - window.k0, 1)),
      title(std::move(title)), subtitle(std::move(subtitle)) {
  double ratio = double(this->queries) / double(this->keys);
  if (ratio <= 1)
    height = std::max(width * ratio, 120.0);
  else
    width = std::max(height / ratio, 240.0);
}

void Picture::add(Paint paint, int64_t q0, int64_t q1, int64_t k0, int64_t k1) {
  q0 = std::max(q0, window.q0);
  q1 = std::min(q1, window.q1);
  k0 = std::max(k0, window.k0);
  k1 = std::min(k1, window.k1);
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
  out += svgText("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                 "fill=\"none\" stroke=\"#333\"/>\n",
                 kLeft, kTop, width, height);
  int64_t step = tickStep(keys);
  auto first = [](int64_t from, int64_t each) {
    return (from + each - 1) / each * each;
  };
  for (int64_t k = first(window.k0, step); k <= window.k0 + keys; k += step) {
    double x = kLeft + width * double(k - window.k0) / double(keys);
    out +=
        svgText("<path d=\"M%.1f %.1fv-5\" stroke=\"#333\"/><text x=\"%.1f\" "
                "y=\"%.1f\" text-anchor=\"middle\">%lld</text>\n",
                x, kTop, x, kTop - 8, (long long)k);
  }
  step = tickStep(queries);
  for (int64_t q = first(window.q0, step); q <= window.q0 + queries;
       q += step) {
    double y = kTop + height * double(q - window.q0) / double(queries);
    out +=
        svgText("<path d=\"M%.1f %.1fh-5\" stroke=\"#333\"/><text x=\"%.1f\" "
                "y=\"%.1f\" text-anchor=\"end\">%lld</text>\n",
                kLeft, y, kLeft - 8, y + 4, (long long)q);
  }
  out += svgText("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
                 "font-weight=\"bold\">key</text>\n",
                 (kLeft + x1) / 2, kTop - 24);
  out += svgText("<text transform=\"translate(16 %.1f) rotate(-90)\" "
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
    out += svgText("<rect x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"14\" "
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

/// A number with at most one decimal, for short paths.
static std::string number(double value) {
  std::string digits = svgText("%.1f", value);
  if (digits.size() > 2 && digits.compare(digits.size() - 2, 2, ".0") == 0)
    digits.resize(digits.size() - 2);
  return digits;
}

/// One path for each kind of box; tiles that are large enough to tell apart
/// get a thin border.
std::string Picture::boxes() const {
  std::string out;
  double sx = width / double(keys), sy = height / double(queries);
  for (Paint paint : {Paint::Full, Paint::Partial, Paint::Level2, Paint::Level4,
                      Paint::Level8, Paint::Visible}) {
    std::string path;
    double least = 1e9;
    for (const Shape &s : shapes) {
      if (s.paint != paint)
        continue;
      // Edges are rounded, not sizes, so that neighbours touch.
      auto round = [](double v) { return std::round(v * 10) / 10; };
      double x0 = round(kLeft + double(s.k0 - window.k0) * sx),
             x1 = round(kLeft + double(s.k1 - window.k0) * sx),
             y0 = round(kTop + double(s.q0 - window.q0) * sy),
             y1 = round(kTop + double(s.q1 - window.q0) * sy);
      double w = std::max(x1 - x0, 0.3), h = std::max(y1 - y0, 0.3);
      least = std::min({least, w, h});
      path += "M" + number(x0) + " " + number(y0) + "h" + number(w) + "v" +
              number(h) + "h-" + number(w) + "z";
    }
    if (path.empty())
      continue;
    bool border = paint != Paint::Visible && least >= 6;
    out += std::string("<path class=\"") + paintRow(paint).name + "\" fill=\"" +
           paintRow(paint).color + "\"" +
           (border ? " stroke=\"#ffffff\" stroke-width=\"0.6\"" : "") +
           " d=\"" + path + "\"/>\n";
  }
  return out;
}

double Picture::totalWidth() const {
  return kLeft + std::max(width, 560.0) + 30;
}
double Picture::totalHeight() const { return kTop + height + kLegendHeight; }

std::string Picture::body() const {
  return "<text x=\"70\" y=\"20\" font-size=\"15\" font-weight=\"bold\">" +
         escapeXml(title) + "</text>\n<text x=\"70\" y=\"38\">" +
         escapeXml(subtitle) + "</text>\n" + boxes() + axes() + legend();
}

static std::string open(double width, double height) {
  return svgText(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
      "height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" "
      "fill=\"#ffffff\"/>\n",
      width, height, width, height);
}

std::string Picture::svg() const {
  return open(totalWidth(), totalHeight()) + body() + "</svg>\n";
}

std::string Picture::nested(double x, double y) const {
  constexpr double scale = 0.5;
  return svgText("<svg x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" "
                 "viewBox=\"0 0 %.0f %.0f\">\n",
                 x, y, totalWidth() * scale, totalHeight() * scale,
                 totalWidth(), totalHeight()) +
         body() + "</svg>\n";
}

std::string multiples(const std::vector<Picture> &pictures,
                      const std::string &title) {
  if (pictures.empty())
    return open(200, 50) + "</svg>\n";
  constexpr size_t columns = 4;
  double w = pictures[0].totalWidth() / 2, h = pictures[0].totalHeight() / 2;
  size_t across = std::min(columns, pictures.size());
  size_t down = (pictures.size() + columns - 1) / columns;
  std::string out = open(w * double(across), 34 + h * double(down)) +
                    "<text x=\"35\" y=\"22\" font-size=\"15\" "
                    "font-weight=\"bold\">" +
                    escapeXml(title) + "</text>\n";
  for (size_t i = 0; i < pictures.size(); ++i)
    out += pictures[i].nested(w * double(i % columns),
                              34 + h * double(i / columns));
  return out + "</svg>\n";
}

} // namespace fovea::cli

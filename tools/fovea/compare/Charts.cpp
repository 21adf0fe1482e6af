// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// SVG by hand: a heat map and small multiples of one curve.
#include "tools/fovea/compare/Charts.h"
#include "tools/fovea/Picture.h"

#include <algorithm>
#include <cmath>

namespace fovea::cli {

static std::string head(double width, double height, const std::string &title,
                        const std::string &subtitle) {
  return svgText("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
                 "height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
                 "font-family=\"sans-serif\" font-size=\"12\">\n<rect "
                 "width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
                 width, height, width, height) +
         "<text x=\"70\" y=\"20\" font-size=\"15\" font-weight=\"bold\">" +
         escapeXml(title) + "</text>\n<text x=\"70\" y=\"38\">" +
         escapeXml(subtitle) + "</text>\n";
}

//===----------------------------------------------------------------------===//
// Dropped mass
//===----------------------------------------------------------------------===//

static constexpr int kDecades = 6;

/// Pale to dark, also in grey: the logarithm of `share` over kDecades below
/// `largest`.
static std::string heat(double share, double largest) {
  double x = std::clamp(std::log10(share / largest) / kDecades + 1, 0.0, 1.0);
  static const double stops[][3] = {{255, 245, 225},
                                    {250, 195, 120},
                                    {226, 104, 60},
                                    {140, 30, 50},
                                    {45, 8, 40}};
  int last = 4, i = std::min(int(x * last), last - 1);
  double f = x * last - i;
  int rgb[3];
  for (int c = 0; c < 3; ++c)
    rgb[c] =
        int(std::lround(stops[i][c] + f * (stops[i + 1][c] - stops[i][c])));
  return svgText("#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
}

/// A step that gives about eight ticks: 1, 2 or 5 times a power of ten.
static int64_t tickStep(int64_t extent) {
  for (int64_t decade = 1;; decade *= 10)
    for (int64_t factor : {1, 2, 5})
      if (extent / (decade * factor) <= 8)
        return decade * factor;
}

std::string drawDropped(const DroppedMap &map, const std::string &title,
                        const std::string &subtitle) {
  constexpr double left = 70, top = 78;
  double width = 640, height = 640;
  double ratio = double(std::max<int64_t>(map.queries, 1)) /
                 double(std::max<int64_t>(map.keys, 1));
  if (ratio <= 1)
    height = std::max(width * ratio, 100.0);
  else
    width = std::max(height / ratio, 200.0);
  double sx = width / double(std::max<int64_t>(map.keys, 1)),
         sy = height / double(std::max<int64_t>(map.queries, 1));
  std::string out = head(left + std::max(width, 560.0) + 30, top + height + 80,
                         title, subtitle);
  double largest = 0;
  for (const auto &row : map.tiles)
    for (double value : row)
      if (std::isfinite(value))
        largest = std::max(largest, value);
  for (size_t y = 0; y < map.tiles.size(); ++y)
    for (size_t x = 0; x < map.tiles[y].size(); ++x) {
      double value = map.tiles[y][x];
      if (value == 0)
        continue;
      int64_t q0 = int64_t(y) * map.queryTile, k0 = int64_t(x) * map.keyTile;
      int64_t q1 = std::min(q0 + map.queryTile, map.queries),
              k1 = std::min(k0 + map.keyTile, map.keys);
      std::string color = std::isnan(value) ? "#dddddd" : heat(value, largest);
      out += svgText("<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
                     "height=\"%.2f\" fill=\"%s\"><title>queries %lld to %lld, "
                     "keys %lld to %lld: %.3g</title></rect>\n",
                     left + double(k0) * sx, top + double(q0) * sy,
                     double(k1 - k0) * sx, double(q1 - q0) * sy, color.c_str(),
                     (long long)q0, (long long)q1 - 1, (long long)k0,
                     (long long)k1 - 1, value);
    }
  out += svgText("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                 "fill=\"none\" stroke=\"#333\"/>\n",
                 left, top, width, height);
  int64_t step = tickStep(map.keys);
  for (int64_t k = 0; k <= map.keys; k += step)
    out += svgText("<text x=\"%.1f\" y=\"%.1f\" "
                   "text-anchor=\"middle\">%lld</text>\n",
                   left + double(k) * sx, top - 8, (long long)k);
  step = tickStep(map.queries);
  for (int64_t q = 0; q <= map.queries; q += step)
    out +=
        svgText("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%lld</text>\n",
                left - 8, top + double(q) * sy + 4, (long long)q);
  out += svgText("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
                 "font-weight=\"bold\">key</text>\n",
                 left + width / 2, top - 24);
  out += svgText("<text transform=\"translate(16 %.1f) rotate(-90)\" "
                 "text-anchor=\"middle\" font-weight=\"bold\">query</text>\n",
                 top + height / 2);
  // The legend: one box per half decade.
  double y = top + height + 24;
  if (largest == 0)
    return out + svgText("<text x=\"%.1f\" y=\"%.1f\">nothing is "
                         "dropped</text>\n</svg>\n",
                         left, y + 12);
  for (int i = 0; i <= 2 * kDecades; ++i) {
    double share = largest * std::pow(10, i / 2.0 - kDecades);
    out += svgText("<rect x=\"%.1f\" y=\"%.1f\" width=\"36\" height=\"14\" "
                   "fill=\"%s\"/>\n",
                   left + 36 * i, y, heat(share, largest).c_str());
    if (i % 2 == 0)
      out += svgText("<text x=\"%.1f\" y=\"%.1f\" "
                     "text-anchor=\"middle\">%.1g</text>\n",
                     left + 36 * i + 18, y + 28, share);
  }
  return out +
         svgText(
             "<text x=\"%.1f\" y=\"%.1f\">dense probability per query on keys "
             "that are not seen, by tile</text>\n</svg>\n",
             left, y + 46);
}

//===----------------------------------------------------------------------===//
// Curves
//===----------------------------------------------------------------------===//

namespace {
struct Axis {
  const char *name;
  double CurvePoint::*value;
};
} // namespace

/// The smallest of 1, 2, 5 times a power of ten that is not below `x`.
static double roundUp(double x) {
  if (!(x > 0))
    return 1;
  double decade = std::pow(10, std::floor(std::log10(x)));
  for (double factor : {1.0, 2.0, 5.0, 10.0})
    if (factor * decade >= x * (1 - 1e-9))
      return factor * decade;
  return 10 * decade;
}

static std::string panel(double left, double top, const Axis &x, const Axis &y,
                         const std::vector<CurvePoint> &points) {
  constexpr double width = 330, height = 230;
  double mostX = 0, mostY = 0;
  for (const CurvePoint &point : points) {
    mostX = std::max(mostX, point.*x.value);
    mostY = std::max(mostY, point.*y.value);
  }
  mostX = roundUp(mostX);
  mostY = roundUp(mostY);
  std::string out =
      svgText("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
              "fill=\"none\" stroke=\"#333\"/>\n<text x=\"%.1f\" y=\"%.1f\" "
              "text-anchor=\"middle\">%s</text>\n<text x=\"%.1f\" y=\"%.1f\" "
              "font-weight=\"bold\">%s</text>\n",
              left, top, width, height, left + width / 2, top + height + 34,
              x.name, left, top - 8, y.name);
  for (int i = 0; i <= 5; ++i) {
    double at = i / 5.0;
    out += svgText("<path d=\"M%.1f %.1fv%.1fM%.1f %.1fh%.1f\" "
                   "stroke=\"#e5e5e5\"/>\n<text x=\"%.1f\" y=\"%.1f\" "
                   "text-anchor=\"middle\">%.3g</text>\n<text x=\"%.1f\" "
                   "y=\"%.1f\" text-anchor=\"end\">%.3g</text>\n",
                   left + at * width, top, height, left, top + at * height,
                   width, left + at * width, top + height + 16, at * mostX,
                   left - 6, top + (1 - at) * height + 4, at * mostY);
  }
  std::string path, marks;
  for (const CurvePoint &point : points) {
    double px = left + point.*x.value / mostX * width,
           py = top + (1 - point.*y.value / mostY) * height;
    path += svgText("%s%.2f %.2f", path.empty() ? "M" : "L", px, py);
    marks += svgText("<circle cx=\"%.2f\" cy=\"%.2f\" r=\"3.5\" "
                     "fill=\"#2b6cb0\"/>\n",
                     px, py) +
             svgText("<text x=\"%.2f\" y=\"%.2f\" font-size=\"10\">", px + 5,
                     py - 5) +
             escapeXml(point.value) + "</text>\n";
  }
  return out + "<path d=\"" + path +
         "\" fill=\"none\" stroke=\"#2b6cb0\" stroke-width=\"1.5\"/>\n" + marks;
}

std::string drawCurves(const std::vector<CurvePoint> &points,
                       const std::string &title, const std::string &subtitle) {
  const Axis ys[] = {{"relative error of the output", &CurvePoint::error},
                     {"mass kept", &CurvePoint::mass}};
  std::vector<Axis> xs = {{"density", &CurvePoint::density}};
  if (std::any_of(points.begin(), points.end(),
                  [](const CurvePoint &p) { return p.speedUp > 0; }))
    xs.push_back({"speed-up", &CurvePoint::speedUp});
  std::string out = head(20 + 410 * double(xs.size()), 720, title, subtitle);
  for (size_t i = 0; i < xs.size(); ++i)
    for (size_t j = 0; j < 2; ++j)
      out += panel(70 + 410 * double(i), 80 + 320 * double(j), xs[i], ys[j],
                   points);
  return out + "</svg>\n";
}

} // namespace fovea::cli

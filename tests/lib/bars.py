# SPDX-License-Identifier: GPL-2.0-only
"""bars.py - stacked bars as an SVG picture, for the documentation.

    bars.write(path, "Title", parts, groups, note)

parts: {name: colour}, in the order in which a bar stacks them. groups: [(name, [(bar's name, {part: length})])];
a group's bars have a scale of their own, on which its first bar is 1.
"""
import xml.etree.ElementTree as ET

LEFT, WIDTH, RIGHT, BAR, GAP, HEAD = 250, 520, 60, 15, 12, 74
FONT = {"font-family": "sans-serif", "font-size": "12", "fill": "#444"}


def write(path, title, parts, groups, note):
    def text(x, y, words, **more):
        ET.SubElement(svg, "text", {**FONT, "x": f"{x:.1f}", "y": f"{y:.1f}", **{k.replace("_", "-"): v for k, v in more.items()}}).text = words

    def box(x, y, width, height, colour):
        return ET.SubElement(svg, "rect", {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}", "fill": colour})

    scaled = []
    for name, bars in groups:
        one = sum(bars[0][1].values())
        scaled.append((name, [(bar, {part: n / one for part, n in lengths.items()}) for bar, lengths in bars]))
    most = max(sum(lengths.values()) for _, bars in scaled for _, lengths in bars)
    unit = WIDTH / most
    height = HEAD + sum(len(bars) * BAR + GAP for _, bars in scaled) + 20
    svg = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "width": str(LEFT + WIDTH + RIGHT), "height": str(height),
                             "viewBox": f"0 0 {LEFT + WIDTH + RIGHT} {height}"})
    svg.append(ET.Comment(" SPDX-License-Identifier: GPL-2.0-only "))
    box(0, 0, LEFT + WIDTH + RIGHT, height, "#fff")
    text(10, 20, title, font_size="15", font_weight="bold")
    text(10, 38, note)
    x = 10
    for part, colour in parts.items():
        box(x, 48, 11, 11, colour)
        text(x + 15, 58, part)
        x += 30 + 7 * len(part)
    for i in range(int(most) + 1):
        box(LEFT + i * unit, HEAD - 8, 1, height - HEAD - 12, "#ddd")
        text(LEFT + i * unit, height - 6, str(i), text_anchor="middle", font_size="10")
    y = HEAD
    for name, bars in scaled:
        text(10, y + 12, name, font_weight="bold")
        for bar, lengths in bars:
            text(LEFT - 6, y + 12, bar, text_anchor="end", font_size="11")
            x = LEFT
            for part, colour in parts.items():
                if lengths.get(part):
                    ET.SubElement(box(x, y + 2, lengths[part] * unit, BAR - 3, colour), "title").text = f"{part}: {lengths[part]:.2f}"
                    x += lengths[part] * unit
            text(x + 4, y + 12, f"{sum(lengths.values()):.2f}", font_size="10")
            y += BAR
        y += GAP
    ET.indent(svg)
    ET.ElementTree(svg).write(path, encoding="unicode")
    with open(path, "a") as f:
        f.write("\n")

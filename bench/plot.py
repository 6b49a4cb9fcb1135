"""plot.py: lines over a logarithmic x axis, as SVG, without any library."""
import math
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 70, 160, 40, 50
COLOURS = ("#0b62a4", "#c8452c", "#4d8b31", "#7a5195")


def round_up(value):
    """The next number of 1, 2, 2.5, 5 and 10 times a power of ten."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999)


class Frame:
    """Where a value lies on the paper."""

    def __init__(self, lines):
        xs = [x for _, points in lines for x, _ in points]
        self.low, self.high = math.log10(min(xs)), math.log10(max(xs))
        if self.low == self.high:
            self.low, self.high = self.low - 0.5, self.high + 0.5
        self.top = round_up(max([y for _, points in lines for _, y in points]))
        self.marks = sorted(set(xs))

    def x(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def axes(frame, title, x_name, y_name):
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [text((LEFT + right) / 2, 22, title, more=' font-weight="bold"'),
             text((LEFT + right) / 2, HEIGHT - 10, x_name), text(LEFT - 8, TOP - 10, y_name, "end")]
    for step in range(6):
        value = frame.top * step / 5
        at = frame.y(value)
        parts.append(f'<path d="M{LEFT} {at:.1f}H{right}" stroke="#ddd"/>')
        parts.append(text(LEFT - 8, at + 4, f"{value:,.4g}" if value < 10000 else f"{value:,.0f}", "end"))
    for mark in frame.marks:
        at = frame.x(mark)
        parts.append(f'<path d="M{at:.1f} {bottom}v5" stroke="#555"/>')
        parts.append(text(at, bottom + 20, f"{mark:,}"))
    return parts


def curve(frame, number, name, points):
    colour = COLOURS[number % len(COLOURS)]
    places = [(frame.x(x), frame.y(y)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    at = TOP + 10 + 20 * number
    parts.append(f'<path d="M{WIDTH - RIGHT + 12} {at}h18" stroke="{colour}" stroke-width="2"/>')
    parts.append(text(WIDTH - RIGHT + 36, at + 4, name, "start"))
    return parts


def plot(path, title, x_name, y_name, lines):
    """lines: [(name, [(x, y), …]), …]; y from zero on."""
    frame = Frame(lines)
    parts = axes(frame, title, x_name, y_name)
    for number, (name, points) in enumerate(lines):
        parts += curve(frame, number, name, points)
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
                   'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n'
                   + "\n".join(parts) + "\n</svg>\n")

"""How well one colour is read on another (WCAG 2.2, relative luminance and contrast ratio)."""

from __future__ import annotations

__all__ = ["BLACK", "ENOUGH", "WHITE", "ink_on", "ratio"]

WHITE, BLACK = "#ffffff", "#111111"
ENOUGH = 4.5  # WCAG 2.2, 1.4.3: of text that is not large


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on the colour."""
    return WHITE if _luminance(colour) < 0.179 else BLACK


def ratio(one: str, other: str) -> float:
    """From 1 (the same) to 21 (black on white); colours as #rrggbb."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = ((c / 12.92) if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

"""Looks at a page as somebody would who cannot see it well, or cannot use a mouse: what is wrong, in sentences.

Checks of our own, because the few that matter here fit on a page: structure, names, references, targets, width, and
the contrast of every piece of text against what lies behind it.
"""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.chrome import SCREENS

STRUCTURE = r"""() => {
    const wrong = [];
    const say = (what, element) => wrong.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
    const shown = (element) => element.checkVisibility({ visibilityProperty: true });
    const all = (css) => [...document.querySelectorAll(css)].filter(shown);
    const named = (element) => {
        const label = (element.getAttribute('aria-labelledby') || '').split(' ').map((id) => document.getElementById(id)?.textContent || '');
        const inside = [...element.querySelectorAll('[aria-label], img[alt]')].map((one) => one.getAttribute('aria-label') || one.alt);
        return [element.getAttribute('aria-label'), element.title, ...label, ...inside, element.textContent].join('').trim();
    };

    if (!document.documentElement.lang) wrong.push('the page names no language');
    if (!document.title.trim()) wrong.push('the page has no title');
    if (all('h1').length !== 1) wrong.push(`${all('h1').length} h1 on the page`);
    if (all('main').length !== 1) wrong.push(`${all('main').length} main on the page`);
    let level = 0;
    for (const heading of all('h1, h2, h3, h4, h5, h6')) {
        const its = Number(heading.localName[1]);
        if (its > level + 1) say(`a heading skips from ${level} to ${its}`, heading);
        level = its;
    }
    for (const input of all('input:not([type=hidden]), select, textarea')) {
        const label = [...(input.labels || [])].map((one) => one.textContent).join('').trim();
        if (!label && !input.getAttribute('aria-label') && !input.getAttribute('aria-labelledby')) say('an input without a label', input);
    }
    for (const element of all('button, a[href], summary, [role=button], [role=switch]')) {
        if (element.localName !== 'input' && !named(element)) say('nothing says what this does', element);
    }
    for (const image of document.querySelectorAll('img:not([alt]), iframe:not([title])')) say('a picture or frame without words', image);
    for (const svg of all('svg')) {
        if (svg.getAttribute('aria-hidden') !== 'true' && !named(svg)) say('a drawing without words', svg);
    }
    const ids = new Set();
    for (const { id } of document.querySelectorAll('[id]')) {
        if (ids.has(id)) wrong.push(`two elements are called #${id}`);
        ids.add(id);
    }
    for (const name of ['for', 'form', 'aria-labelledby', 'aria-describedby', 'aria-controls']) {
        for (const element of document.querySelectorAll(`[${name}]`)) {
            for (const id of element.getAttribute(name).split(/\s+/)) {
                if (id && !document.getElementById(id)) say(`${name} leads to nothing`, element);
            }
        }
    }
    for (const element of all('button, summary, select, input:not([type=hidden], [type=checkbox], [type=radio])')) {
        const { width, height } = element.getBoundingClientRect();
        if (width > 1 && (width < 24 || height < 24)) say(`${Math.round(width)} x ${Math.round(height)} is too small to hit`, element);
    }
    const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (over > 0 || document.documentElement.clientWidth !== screenWidth) wrong.push(`the page is ${over} pixels wider than the screen`);
    return wrong;
}"""

CONTRAST = r"""() => {
    const paint = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const known = new Map();
    const rgba = (color) => {
        if (!known.has(color)) {
            paint.clearRect(0, 0, 1, 1);
            paint.fillStyle = color;
            paint.fillRect(0, 0, 1, 1);
            known.set(color, [...paint.getImageData(0, 0, 1, 1).data]);
        }
        return known.get(color);
    };
    const over = ([r, g, b, a], [R, G, B]) => [r, g, b].map((one, at) => (one * a + [R, G, B][at] * (255 - a)) / 255);
    const light = (rgb) => {
        const [r, g, b] = rgb.map((one) => { const part = one / 255; return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (one, other) => { const [a, b] = [light(one), light(other)].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); };

    /** The colour behind an element; null where a picture makes it unknown. */
    const behind = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) {
            const style = getComputedStyle(at);
            if (style.backgroundImage !== 'none' && at.localName !== 'select') return null;
            const color = rgba(style.backgroundColor);
            if (color[3]) layers.push(color);
            if (color[3] === 255) break;
        }
        return layers.reverse().reduce((below, color) => over(color, below), [255, 255, 255]);
    };
    const opacity = (element) => { let product = 1; for (let at = element; at; at = at.parentElement) product *= Number(getComputedStyle(at).opacity); return product; };

    const wrong = [];
    let looked = 0;
    const look = (text, element, color) => {
        const ground = behind(element);
        const style = getComputedStyle(element);
        if (!ground) return;
        looked += 1;
        const [r, g, b, a] = rgba(color);
        const seen = ratio(over([r, g, b, a * opacity(element)], ground), ground);
        const size = parseFloat(style.fontSize);
        const need = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
        if (seen < need - 0.01) wrong.push(`contrast ${seen.toFixed(2)} < ${need}: "${text.trim().slice(0, 40)}" in ${element.className || element.localName}`);
    };
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = words.nextNode(); node; node = words.nextNode()) {
        const element = node.parentElement;
        if (!node.data.trim() || element.closest('svg, option, template, [disabled], .sr, .skip') || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        const { width, height } = range.getBoundingClientRect();
        if (width > 1 && height > 1) look(node.data, element, getComputedStyle(element).color);
    }
    for (const field of document.querySelectorAll('input[placeholder]:placeholder-shown')) look(field.placeholder, field, getComputedStyle(field, '::placeholder').color);
    for (const field of document.querySelectorAll('select, textarea')) if (field.checkVisibility()) look(field.value, field, getComputedStyle(field).color);
    return { wrong: [...new Set(wrong)], looked };
}"""


def structure(page: Page) -> list[str]:
    """What is wrong with the page as a document."""
    size = page.viewport_size
    assert size
    found: list[str] = page.evaluate(STRUCTURE.replace("screenWidth", str(size["width"])))
    return found


def contrast(page: Page) -> list[str]:
    """Text that is too faint on its ground, in the colours that the page has now."""
    found = page.evaluate(CONTRAST)
    assert found["looked"] >= 3, "there is text on every page"
    return [str(one) for one in found["wrong"]]


def at_night(page: Page) -> None:
    """Let the device be dark, and wait until the page is."""
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_css("background-color", "rgb(14, 17, 23)")
    drawn(page)


def on_a(screen: str, page: Page) -> None:
    """Let the screen be as wide as that of a phone or a desktop, and wait until the page is."""
    page.set_viewport_size(SCREENS[screen]["viewport"])
    drawn(page)


def drawn(page: Page) -> None:
    """A new width takes a frame; what still moves is waited for, because a colour in between is not what is seen."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        ".then(() => Promise.allSettled(document.getAnimations().map((one) => one.finished)))"
    )

"""What a page of the console must be for people who set up their browser: JavaScript that finds faults."""

from dataclasses import dataclass

from playwright.sync_api import Page

# 1280 x 800 at 200 %: what a browser's zoom leaves of the window.
ZOOMED = (640, 400)

# A box that scrolls sideways, or cuts off text without showing that there is more.
_CUT = """() => {
  const isClipped = (box) => {
    const style = getComputedStyle(box);
    if (box === document.documentElement || /auto|scroll/.test(style.overflowX)) return true;
    return /hidden|clip/.test(style.overflowX) && style.textOverflow !== "ellipsis" && !style.clipPath.includes("inset");
  };
  return [...document.querySelectorAll("html, header *, nav *, main, main *")]
    .filter((box) => box.clientWidth > 1 && box.scrollWidth > box.clientWidth + 1)
    .filter((box) => isClipped(box) && !box.closest("svg"))
    .map((box) => box.outerHTML.slice(0, 200));
}"""

# What is chosen looks like its neighbours.
_UNMARKED = """() => {
  const look = (element) => {
    const { fontWeight, textDecorationLine, outlineStyle, ...style } = getComputedStyle(element);
    const colours = ["color", "backgroundColor", "borderBottomColor", "borderBottomWidth", "borderLeftColor"];
    return JSON.stringify([fontWeight, textDecorationLine, outlineStyle, ...colours.map((name) => getComputedStyle(element)[name])]);
  };
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true });
  return [...document.querySelectorAll("[aria-current], .chip-on")].filter(isShown).filter((chosen) => {
    const group = chosen.closest("nav, ul, .chips, .menu-items") ?? chosen.parentElement;
    const others = [...group.querySelectorAll(`${chosen.tagName}:not([aria-current], .chip-on)`)];
    return others.filter(isShown).some((other) => other.className.split(" ")[0] === chosen.className.split(" ")[0] && look(other) === look(chosen));
  }).map((element) => element.outerHTML.slice(0, 200));
}"""

# Bars and shapes with the colour of what they lie on.
_INVISIBLE = """() => {
  const behind = getComputedStyle(document.body).backgroundColor;
  const page = behind === "rgba(0, 0, 0, 0)" ? getComputedStyle(document.documentElement).backgroundColor : behind;
  const shapes = [...document.querySelectorAll("main svg rect, main svg path, main svg line")]
    .filter((shape) => shape.checkVisibility() && !shape.closest("symbol, .icon"))
    .filter((shape) => [shape].every((one) => {
      const { fill, stroke } = getComputedStyle(one);
      return [fill, stroke].every((paint) => paint === "none" || paint === page);
    }));
  const meters = [...document.querySelectorAll("progress")].filter((meter) => {
    const bar = getComputedStyle(meter, "::-webkit-progress-value").backgroundColor;
    return getComputedStyle(meter).appearance === "none" && bar === page;
  });
  return [...shapes, ...meters].map((shape) => shape.outerHTML.slice(0, 200));
}"""

_MOVING = """() => [...document.querySelectorAll("*")].filter((element) => {
  const { transitionDuration, animationDuration, scrollBehavior } = getComputedStyle(element);
  const lasts = (durations) => durations.split(",").some((one) => parseFloat(one) > 0);
  return lasts(transitionDuration) || lasts(animationDuration) || scrollBehavior === "smooth";
}).map((element) => element.outerHTML.slice(0, 200))"""

# Records each element that gets the focus, and whether that can be seen.
_RECORD = """() => {
  const seen = window.focused = new Map();
  const isMarked = (element) => {
    const { outlineStyle, outlineWidth, opacity } = getComputedStyle(element);
    for (let box = element; box; box = box.parentElement) {
      if (getComputedStyle(box).clipPath === "inset(50%)") return false;
    }
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 1 && opacity !== "0";
  };
  document.addEventListener("focusin", ({ target }) => {
    const box = target.getBoundingClientRect();
    const isSeen = isMarked(target) || (target.parentElement && isMarked(target.parentElement));
    seen.set(target, isSeen && box.width > 0);
  });
  const tabbable = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  window.stops = () => [...document.querySelectorAll(tabbable)].filter((element) =>
    !element.disabled && element.tabIndex >= 0 && element.checkVisibility({ visibilityProperty: true }));
  return window.stops().length;
}"""
_KEYS = """() => {
  const ofGroup = (element) => element.type === "radio"
    ? [...window.focused.keys()].some((one) => one.name === element.name && one.form === element.form)
    : window.focused.has(element);
  const unreached = window.stops().filter((element) => !ofGroup(element)).map((element) => ["not reached", element]);
  const unseen = [...window.focused].filter(([, isSeen]) => !isSeen).map(([element]) => ["focus is not seen", element]);
  const operable = "a[href], button, input, select, textarea, summary, label, option";
  const mouseOnly = [...document.querySelectorAll("main *")]
    .filter((element) => getComputedStyle(element).cursor === "pointer" && !element.closest(operable))
    .map((element) => ["for the mouse only", element]);
  return [...unreached, ...unseen, ...mouseOnly].map(([fault, element]) => `${fault}: ${element.outerHTML.slice(0, 200)}`);
}"""


@dataclass
class Faults:
    """The faults of one page, found by its setting."""

    page: Page

    def zoomed(self) -> list[str]:
        """At 200 %."""
        self.page.set_viewport_size({"width": ZOOMED[0], "height": ZOOMED[1]})
        self.page.evaluate("scrollTo(0, 0)")  # the bar at the top covers what is below it
        return self._found(_CUT)

    def in_forced_colours(self) -> list[str]:
        """With the colours of the system, dark."""
        self.page.emulate_media(forced_colors="active", color_scheme="dark")
        return [*self._found(_UNMARKED), *self._found(_INVISIBLE)]

    def without_motion(self) -> list[str]:
        """With less motion."""
        self.page.emulate_media(reduced_motion="reduce")
        return self._found(_MOVING)

    def by_keys(self) -> list[str]:
        """With Tab alone."""
        stops = self.page.evaluate(_RECORD)
        for _ in range(stops + 2):
            self.page.keyboard.press("Tab")
        return self._found(_KEYS)

    def _found(self, script: str) -> list[str]:
        found: list[str] = self.page.evaluate(script)
        return found

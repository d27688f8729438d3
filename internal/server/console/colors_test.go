package console_test

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// faint are the parts of drawings and pages that one who has chosen the colors cannot tell
// from what is around them: drawn shapes without contrast to the ground, or to the box that they
// stand in, and what is
// current, looked at or pressed and looks like its neighbors.
const faint = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const light = color => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
		if (!a) return undefined;
		const part = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
		return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
	};
	const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
	const ground = e => light(getComputedStyle(e).backgroundColor) ?? (e.parentElement ? ground(e.parentElement) : 1);
	const found = [];
	for (const e of document.querySelectorAll("svg rect, svg path, svg polyline, svg line, svg text, svg circle")) {
		if (!e.checkVisibility() || e.matches(".grid, .p-fold, .p-between") || e.closest("defs")) continue;
		const box = e.parentElement.querySelector(":scope > rect.box");
		const under = box && !e.matches("rect") ? light(getComputedStyle(box).fill) : ground(e.closest("svg"));
		const style = getComputedStyle(e);
		const seen = [style.fill, style.stroke].filter(c => c !== "none").map(light).filter(l => l !== undefined);
		if (seen.length && !seen.some(l => contrast(l, under) >= 3)) found.push(e.outerHTML);
	}
	const look = e => { const s = getComputedStyle(e); return [s.color, s.backgroundColor, s.outlineStyle].join(); };
	for (const e of document.querySelectorAll("nav [aria-current=page]")) {
		const other = e.parentElement.querySelector("[aria-current=false]");
		if (other && look(other) === look(e)) found.push(e.outerHTML);
	}
	return found.map(html => html.slice(0, 200));
})()`

// TestPagesTakeTheColorsOfTheSystem: who has them forced, light or dark, sees what is drawn
// and which page it is.
func TestPagesTakeTheColorsOfTheSystem(t *testing.T) {
	b := browse(t)
	b.still(t)
	w := peopled(t, b)
	for _, scheme := range []string{"light", "dark"} {
		call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "forced-colors", Value: "active"}, {Name: "prefers-color-scheme", Value: scheme},
		}})
		for _, at := range w.pages(t) {
			b.show(t, at.path)
			require.True(t, value[bool](t, b, `matchMedia("(forced-colors: active)").matches`))
			require.Empty(t, value[[]string](t, b, faint), "%s, %s", at.path, scheme)
		}
	}
	b.show(t, "/tasks")
	b.press(t, "j")
	b.do(t, chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
	require.NotEqual(t, "none", value[string](t, b, `getComputedStyle(document.querySelector("tr.here")).outlineStyle`), "the row that is looked at can be told")
}

package draw

import "strings"

// Stylesheet gives the classes of an embedded drawing their colours, light and dark as
// the color-scheme of the page is. It is about two kilobytes, always the same.
func Stylesheet() string {
	return rules(func(property func(Theme) string) string {
		return "light-dark(" + property(Light) + "," + property(Dark) + ")"
	})
}

// standaloneStyle changes the colours for readers whose system is dark; the light
// ones are in the drawing itself, where programs find them that know no styles.
func standaloneStyle() string {
	dark := rules(func(property func(Theme) string) string { return property(Dark) })
	return "@media (prefers-color-scheme:dark){" + dark + "}"
}

// rules are the rules of a style sheet, with colours as told.
func rules(color func(property func(Theme) string) string) string {
	var b strings.Builder
	rule := func(selector string, declarations ...string) {
		b.WriteString(".jobgraph " + selector + "{" + strings.Join(declarations, ";") + "}")
	}
	edge := color(func(t Theme) string { return t.Backdrop().Edge })
	critical := color(func(t Theme) string { return t.Backdrop().Critical })
	rule(".ground", "fill:"+color(func(t Theme) string { return t.Backdrop().Ground }))
	rule(".edges", "stroke:"+edge)
	rule(".heads", "fill:"+edge)
	rule(".critical", "stroke:"+critical)
	rule(".critical .heads", "fill:"+critical)
	rule(".job", "stroke:none")
	rule(".ring", "stroke:"+critical)
	for l := range Look(len(lookNames)) {
		text := color(func(t Theme) string { return l.Paint(t).Text })
		rule("."+l.String(), "fill:"+text)
		rule("."+l.String()+" path", "stroke:"+text)
		rule("."+l.String()+" .box",
			"fill:"+color(func(t Theme) string { return l.Paint(t).Fill }),
			"stroke:"+color(func(t Theme) string { return l.Paint(t).Line }))
	}
	return b.String()
}

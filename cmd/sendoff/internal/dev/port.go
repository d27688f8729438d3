package dev

import (
	"regexp"
	"strings"
)

// Servers that listen on a port of their own, whatever the SDK's variables say:
// where they do without being told, and how they are told.
var (
	webServers = map[string]string{"uvicorn": "8000", "gunicorn": "8000", "hypercorn": "8000", "granian": "8000", "flask": "5000"}
	serverName = regexp.MustCompile(`(?:^|[\s/;&|(])(uvicorn|gunicorn|hypercorn|granian|flask)\s`)
	portOption = regexp.MustCompile(`\s(?:--port|--bind|-p|-b)(?:\s+|=)(?:[\w.\-\[\]:]*:)?(\d{1,5})(?:[\s;&|)]|$)`)
	socketPath = regexp.MustCompile(`\s(?:--uds|--fd|--bind|-b)(?:\s+|=)(?:unix:|fd:|/|\d+\s)`)
)

// ownPort is the port on which a command will listen, read off its words; "" when
// they do not tell.
func ownPort(command []string) string {
	text := strings.Join(command, " ") + " "
	at := serverName.FindStringSubmatchIndex(text)
	if at == nil {
		return ""
	}
	name, options := text[at[2]:at[3]], text[at[3]:]
	if port := portOption.FindStringSubmatch(options); port != nil {
		return port[1]
	}
	if socketPath.MatchString(options) {
		return ""
	}
	return webServers[name]
}

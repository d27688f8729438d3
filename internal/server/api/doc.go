// Package api is the native HTTP door: /v1 with JSON, described by OpenAPI 3.1
// at /openapi.json.
//
// Requests are limited in size before anything is parsed, and answered with
// problem+json (RFC 9457) that names the fields at fault. The handler that
// creates tasks is written by hand, for speed; the others go through huma, which
// makes the OpenAPI document of them. Durations are text such as "1m30s" or
// seconds, times are RFC 3339 in UTC.
package api

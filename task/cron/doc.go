// Package cron says when things are due: cron expressions in a time zone,
// intervals, and lists of times. It is pure: it reads no clock, and of files only
// the time zones that [Zone] is asked for. It knows neither what is fired nor where
// schedules are stored. All values may be used by several goroutines.
//
// # Cron expressions
//
// Five fields, with blanks between them: minute (0-59), hour (0-23), day of month
// (1-31), month (1-12 or JAN-DEC) and day of week (0-7 or SUN-SAT; 0 and 7 are
// Sunday). A field is *, a value, a range 1-5, each with a step as in */15, 1-31/2 or
// 5/20 (which is 5-59/20), or a list of these with commas. In the two day fields, ?
// is *. In place of the fields: @hourly, @daily or @midnight, @weekly, @monthly,
// @yearly or @annually.
//
// The days are chosen by the rule of Vixie's cron: when neither day field begins with
// *, a day has to be in one of them, otherwise in both. "0 0 13 * FRI" is every 13th
// and every Friday. What no day can be, such as 30 February, is refused when it is
// parsed.
//
// # When clocks change
//
// An expression is read against the clock on the wall of its zone. Its hour field
// decides what happens when that clock is put forward or back, by whatever amount:
//
//   - Hours are named, such as in "30 2 * * *": each time of a day counts once. A time
//     that the clock skips is due at the moment of the jump, and several that it skips
//     are due once. Of a time that comes twice, the first is due.
//   - The hour is a wildcard (it begins with *, or holds all 24), such as in
//     "*/15 * * * *": it is due whenever the clock shows a time of it. A time that the
//     clock skips is not due, one that comes twice is due twice, so that the distances
//     are those of hours that pass.
//
// Intervals are of time that passes, and know no clock on a wall.
package cron

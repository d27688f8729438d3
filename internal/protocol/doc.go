// Package protocol translates between the messages of Dispatch's protocol and
// Sendoff's own words: what a Call may say, which task it asks for, and which
// CallResult the end of a task is. The executor of functions and the door of
// Dispatch both use it; it does nothing itself.
package protocol

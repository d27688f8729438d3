package vet

import "strings"

// Rule is one thing that durable code must not do. The table of all rules is the
// source of the page docs/determinism.md.
type Rule struct {
	Code  string // stable; what an allow comment names
	Title string
	Why   string // what goes wrong
	Fix   string // what to write instead
}

// Page is the page that explains the rules, below the root of the repository.
const Page = "docs/determinism.md"

// Docs is where the rule is explained, below the root of the repository.
func (r Rule) Docs() string { return Page + "#" + strings.ToLower(r.Code) }

// URL is where the rule is explained.
func (r Rule) URL() string { return "https://github.com/sendoff-dev/sendoff/blob/main/" + r.Docs() }

// The codes of the rules.
const (
	codeGoroutine = "SENDOFF2001"
	codeMapRange  = "SENDOFF2002"
	codeOutside   = "SENDOFF2003"
	codeStepOps   = "SENDOFF2004"
	codeStepVars  = "SENDOFF2005"
	codeTypes     = "SENDOFF2006"
	codeNames     = "SENDOFF2007"
	codeDefer     = "SENDOFF2008"
	codeDropped   = "SENDOFF2009"
	codeRecover   = "SENDOFF2010"
	codeAllow     = "SENDOFF2011"
)

// Rules are all rules in the order of their codes.
var Rules = []Rule{
	{
		Code: codeGoroutine, Title: "goroutines and channels in durable code",
		Why: "a replay cannot repeat the order of goroutines, and a function that blocks on them cannot be suspended",
		Fix: "use sendoff.Go with Await, All or Select, or do it within a Step",
	},
	{
		Code: codeMapRange, Title: "durable operations in the order of a map",
		Why: "the order differs each time, so a replay asks for other operations than those on record",
		Fix: "range over slices.Sorted(maps.Keys(m))",
	},
	{
		Code: codeOutside, Title: "clock, randomness, environment or I/O outside a Step",
		Why: "durable code runs again in each replay: it gets another answer there, or does the same thing twice",
		Fix: "use sendoff.Now, Sleep, Rand, NewID or WithTimeout, and do everything else in a Step",
	},
	{
		Code: codeStepOps, Title: "the function's context or a durable operation within a Step",
		Why: "a Step runs on a goroutine of its own, where durable operations fail and the function's context knows nothing of the Step's timeout",
		Fix: "use the context that the Step passes, and call durable operations outside of it",
	},
	{
		Code: codeStepVars, Title: "a variable of the function is changed within a Step",
		Why: "a replay takes the recorded result and does not run the Step, so the change is lost",
		Fix: "return the value from the Step and assign its result",
	},
	{
		Code: codeTypes, Title: "a type that cannot be encoded",
		Why: "what JSON or protobuf cannot carry is refused, or comes back empty in a replay",
		Fix: "use exported fields of plain types, or write MarshalJSON and UnmarshalJSON",
	},
	{
		Code: codeNames, Title: "two functions of one name",
		Why: "an endpoint finds functions by their names and refuses two of one name",
		Fix: "give each function a name of its own",
	},
	{
		Code: codeDefer, Title: "a durable operation in a deferred function",
		Why: "deferred functions also run when a suspended run is dropped from memory, where a durable operation never returns",
		Fix: "defer RollbackOnError of a Saga, or call it before each return",
	},
	{
		Code: codeDropped, Title: "a future or tail call that nobody uses",
		Why: "nobody waits for it, so its error is lost and the function may return before it has ended",
		Fix: "Await it, or start a call that shall go on by itself with Detached",
	},
	{
		Code: codeRecover, Title: "recover around durable operations",
		Why: "a panic has the run tried again, and is how the SDK reports its misuse: swallowed, it hides both, and a replay takes another path",
		Fix: "let it panic, or recover within the Step",
	},
	{
		Code: codeAllow, Title: "an allow comment that says too little",
		Why: "who reads the code must see what is allowed and why it is safe",
		Fix: "write " + directive + " with the code and the reason",
	},
}

// RuleOf returns the rule with a code.
func RuleOf(code string) (Rule, bool) {
	for _, r := range Rules {
		if r.Code == code {
			return r, true
		}
	}
	return Rule{}, false
}

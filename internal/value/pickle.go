package value

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
)

// protoOpcode begins every pickle of protocol 2 and later.
const protoOpcode = 0x80

// unpickle reads enough of a pickle (Python's Lib/pickletools.py describes the
// format) to show it: plain values as they are, objects as their class and
// what they hold. Nothing is called and nothing is imported. ok is false for
// what it does not know.
func unpickle(b []byte) (v any, ok bool) {
	defer func() {
		if recover() != nil { // an index beyond the input or the stack: damaged
			v, ok = nil, false
		}
	}()
	if len(b) > 1<<20 {
		return nil, false
	}
	m := &machine{in: b}
	for range 100_000 {
		done, known := m.step()
		if !known {
			return nil, false
		}
		if done {
			return show(m.pop(), 0), true
		}
	}
	return nil, false
}

type machine struct {
	in    []byte
	stack []any
	marks []int
	memo  []any
}

// object is an instance of a class, with what it was made from.
type object struct {
	class string
	args  []any
	state any
}

type class string

// list and dict are references: the memo may hold them while they are filled.
type list struct{ items []any }

type dict struct{ keys, values []any }

type tuple []any

func (m *machine) take(n int) []byte {
	b := m.in[:n]
	m.in = m.in[n:]
	return b
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

func (m *machine) pop() any {
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v
}

func (m *machine) top() any { return m.stack[len(m.stack)-1] }

// popMark takes everything above the last mark off the stack.
func (m *machine) popMark() []any {
	at := m.marks[len(m.marks)-1]
	m.marks = m.marks[:len(m.marks)-1]
	items := append([]any(nil), m.stack[at:]...)
	m.stack = m.stack[:at]
	return items
}

func (m *machine) popN(n int) []any {
	items := append([]any(nil), m.stack[len(m.stack)-n:]...)
	m.stack = m.stack[:len(m.stack)-n]
	return items
}

func (m *machine) u32() int { return int(binary.LittleEndian.Uint32(m.take(4))) }
func (m *machine) u64() int { return int(binary.LittleEndian.Uint64(m.take(8))) }

// step carries out one opcode.
func (m *machine) step() (done, known bool) {
	op := m.take(1)[0]
	switch op {
	case protoOpcode:
		m.take(1)
	case 0x95: // FRAME
		m.take(8)
	case '.':
		return true, true
	case '(':
		m.marks = append(m.marks, len(m.stack))
	case '0':
		m.pop()
	case '1':
		m.popMark()
	case '2':
		m.push(m.top())
	default:
		return false, m.constant(op) || m.container(op) || m.instance(op)
	}
	return false, true
}

func (m *machine) constant(op byte) bool {
	switch op {
	case 'N':
		m.push(nil)
	case 0x88:
		m.push(true)
	case 0x89:
		m.push(false)
	case 'K':
		m.push(int64(m.take(1)[0]))
	case 'M':
		m.push(int64(binary.LittleEndian.Uint16(m.take(2))))
	case 'J':
		m.push(int64(int32(m.u32())))
	case 0x8a:
		m.push(long(m.take(int(m.take(1)[0]))))
	case 'G':
		m.push(math.Float64frombits(binary.BigEndian.Uint64(m.take(8))))
	case 0x8c:
		m.push(string(m.take(int(m.take(1)[0]))))
	case 'X':
		m.push(string(m.take(m.u32())))
	case 0x8d:
		m.push(string(m.take(m.u64())))
	case 'C':
		m.push(m.take(int(m.take(1)[0])))
	case 'B':
		m.push(m.take(m.u32()))
	case 0x8e:
		m.push(m.take(m.u64()))
	default:
		return false
	}
	return true
}

// long is a number in two's complement, little end first.
func long(b []byte) any {
	v := new(big.Int)
	for _, v0 := range slices.Backward(b) {
		v.Lsh(v, 8).Or(v, big.NewInt(int64(v0)))
	}
	if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	if v.IsInt64() {
		return v.Int64()
	}
	return v.String()
}

func (m *machine) container(op byte) bool {
	switch op {
	case ']':
		m.push(&list{})
	case 'l':
		m.push(&list{m.popMark()})
	case 0x8f:
		m.push(&list{})
	case 0x91:
		m.push(&list{m.popMark()})
	case '}':
		m.push(&dict{})
	case ')':
		m.push(tuple{})
	case 't':
		m.push(tuple(m.popMark()))
	case 0x85, 0x86, 0x87:
		m.push(tuple(m.popN(int(op) - 0x84)))
	case 'a':
		v := m.pop()
		l := m.top().(*list)
		l.items = append(l.items, v)
	case 'e', 0x90:
		items := m.popMark()
		l := m.top().(*list)
		l.items = append(l.items, items...)
	case 's':
		kv := m.popN(2)
		m.top().(*dict).add(kv)
	case 'u':
		items := m.popMark()
		m.top().(*dict).add(items)
	default:
		return m.remember(op)
	}
	return true
}

func (d *dict) add(items []any) {
	for i := 0; i+1 < len(items); i += 2 {
		d.keys, d.values = append(d.keys, items[i]), append(d.values, items[i+1])
	}
}

func (m *machine) remember(op byte) bool {
	switch op {
	case 0x94:
		m.memo = append(m.memo, m.top())
	case 'q':
		m.put(int(m.take(1)[0]))
	case 'r':
		m.put(m.u32())
	case 'h':
		m.push(m.memo[m.take(1)[0]])
	case 'j':
		m.push(m.memo[m.u32()])
	default:
		return false
	}
	return true
}

func (m *machine) put(i int) {
	for len(m.memo) <= i && i < 100_000 {
		m.memo = append(m.memo, nil)
	}
	m.memo[i] = m.top()
}

func (m *machine) instance(op byte) bool {
	switch op {
	case 'c':
		module, rest, _ := strings.Cut(string(m.in), "\n")
		name, _, _ := strings.Cut(rest, "\n")
		m.take(len(module) + len(name) + 2)
		m.push(class(module + "." + name))
	case 0x93:
		names := m.popN(2)
		m.push(class(fmt.Sprint(names[0], ".", names[1])))
	case 'R', 0x81:
		v := m.popN(2)
		m.push(&object{class: className(v[0]), args: v[1].(tuple)})
	case 0x92:
		v := m.popN(3)
		m.push(&object{class: className(v[0]), args: v[1].(tuple), state: v[2]})
	case 'b':
		state := m.pop()
		if o, ok := m.top().(*object); ok {
			o.state = state
		}
	default:
		return false
	}
	return true
}

func className(v any) string {
	if c, ok := v.(class); ok {
		return string(c)
	}
	return "object"
}

// show turns what was read into what JSON can say.
func show(v any, depth int) any {
	if depth > 50 {
		return "..."
	}
	switch v := v.(type) {
	case class:
		return string(v)
	case tuple:
		return showAll(v, depth)
	case *list:
		return showAll(v.items, depth)
	case *dict:
		return showDict(v, depth)
	case *object:
		return showObject(v, depth)
	case []byte:
		return map[string]any{"bytes": v}
	}
	return v
}

func showAll(items []any, depth int) []any {
	out := make([]any, len(items))
	for i := range items {
		out[i] = show(items[i], depth+1)
	}
	return out
}

func showDict(d *dict, depth int) map[string]any {
	out := map[string]any{}
	for i := range d.keys {
		key, ok := d.keys[i].(string)
		if !ok {
			key = fmt.Sprint(show(d.keys[i], depth+1))
		}
		out[key] = show(d.values[i], depth+1)
	}
	return out
}

// argumentsClass is what the Python SDK calls a function with.
const argumentsClass = "dispatch.proto.Arguments"

func showObject(o *object, depth int) any {
	state, _ := o.state.(*dict)
	if o.class == argumentsClass && state != nil {
		return showArguments(state, depth)
	}
	out := map[string]any{"@class": o.class}
	if len(o.args) > 0 {
		out["args"] = showAll(o.args, depth)
	}
	if o.state != nil {
		out["state"] = show(o.state, depth+1)
	}
	return out
}

// showArguments leaves out what is empty of positional and named arguments.
func showArguments(state *dict, depth int) any {
	all := showDict(state, depth)
	args, _ := all["args"].([]any)
	kwargs, _ := all["kwargs"].(map[string]any)
	switch {
	case len(kwargs) == 0:
		return args
	case len(args) == 0:
		return kwargs
	}
	return all
}

package esock

import (
	"fmt"
	"slices"

	"github.com/esock-go/esock/internal/plain"
)

// Map returns the message as plain data with OTP's keys: iov (a list of byte strings), ctrl (as ControlMessage.Map;
// "bad_data" ends a damaged list), flags (names, then unknown bits as one integer), and addr (as Addr.Map) if there is
// one. Later use of the Msg does not change it. If nothing was received into the Msg, ctrl is what SetControl set.
func (m *Msg) Map() map[string]any {
	m = orZero(m)
	iov := make([][]byte, len(m.Iov))
	for i, b := range m.Iov {
		iov[i] = slices.Clone(b)
	}
	ctrl := []any{}
	add := func(c ControlMessage) bool {
		ctrl = append(ctrl, c.Map())
		return true
	}
	if m.came {
		m.eachControl(add)
	} else {
		m.walk(m.send, 0, add)
	}
	if m.ControlDamaged() {
		ctrl = append(ctrl, "bad_data")
	}
	out := map[string]any{"iov": iov, "ctrl": ctrl, "flags": m.Flags.list()}
	if !m.Addr.IsZero() {
		out["addr"] = m.Addr.Map()
	}
	return out
}

// MsgFromMap makes a message to send from a map: iov (required; byte strings, or one), addr (an Addr, or a map for
// AddrFromMap), ctrl (a list of maps for ControlMessageFromMap, without bad_data) and flags.
func MsgFromMap(in map[string]any) (*Msg, error) {
	bad := func(cause string) (*Msg, error) {
		return nil, &InvalidError{What: "msg", Value: in, Cause: cause}
	}
	m := new(Msg)
	r := plain.Read(in)
	iov, ok := r.Get("iov")
	addr, hasAddr := r.Get("addr")
	ctrl, hasCtrl := r.Get("ctrl")
	flags, hasFlags := r.Get("flags")
	if cause := r.Finish(); cause != "" {
		return bad(cause)
	}
	if !ok {
		return bad("the key iov is missing")
	}
	var err error
	if m.Iov, err = iovFromAny(iov); err != nil {
		return nil, err
	}
	if hasAddr {
		switch a := addr.(type) {
		case Addr:
			m.Addr = a
		case map[string]any:
			if m.Addr, err = AddrFromMap(a); err != nil {
				return nil, err
			}
		default:
			return bad("addr is not an address")
		}
	}
	if hasCtrl {
		if err := m.setControlFromAny(ctrl); err != nil {
			return nil, err
		}
	}
	if hasFlags {
		if m.Flags, err = msgFlagsFromAny(flags); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Msg) setControlFromAny(v any) error {
	var cs []ControlMessage
	add := func(i int, v any) error {
		switch v := v.(type) {
		case ControlMessage:
			cs = append(cs, v)
		case map[string]any:
			c, err := ControlMessageFromMap(v)
			if err != nil {
				return err
			}
			cs = append(cs, c)
		case string:
			if v == "bad_data" {
				return ctrlError(i, "bad_data stands for damaged control data, which cannot be sent")
			}
			return ctrlError(i, "not a map")
		default:
			return ctrlError(i, "not a map")
		}
		return nil
	}
	switch v := v.(type) {
	case []ControlMessage:
		cs = v
	case []map[string]any:
		for i, e := range v {
			if err := add(i, e); err != nil {
				return err
			}
		}
	case []any:
		for i, e := range v {
			if err := add(i, e); err != nil {
				return err
			}
		}
	default:
		return &InvalidError{What: "msg", Value: v, Cause: "ctrl is not a list"}
	}
	return m.SetControl(cs...)
}

// iovFromAny reads a list of byte strings, each []byte or string, or a single one. Anything else is an *InvalidError "iov".
func iovFromAny(v any) ([][]byte, error) {
	switch v := v.(type) {
	case [][]byte:
		return v, nil
	case []byte:
		return [][]byte{v}, nil
	case string:
		return [][]byte{[]byte(v)}, nil
	case []string:
		iov := make([][]byte, len(v))
		for i, e := range v {
			iov[i] = []byte(e)
		}
		return iov, nil
	case []any:
		iov := make([][]byte, len(v))
		for i, e := range v {
			switch e := e.(type) {
			case []byte:
				iov[i] = e
			case string:
				iov[i] = []byte(e)
			default:
				return nil, &InvalidError{What: "iov", Value: e, Cause: fmt.Sprintf("element %d is not bytes", i+1)}
			}
		}
		return iov, nil
	}
	return nil, &InvalidError{What: "iov", Value: v, Cause: "not a list of byte strings"}
}

package sockopt

import (
	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
)

// Setting is one option of a batch, with its value and result.
type Setting struct {
	Level, Name string
	Value       any   // as Get returns it, or as Set takes it; of options that ask, the question on entry
	Err         error // why this one failed
}

// GetAll reads many options in one crossing into C and sets Value and Err of each. Errors: net.ErrClosed.
func GetAll(s *esock.Socket, opts []Setting) error {
	b, err := newBatch(s, getopt, opts, getOTPOf, func(o *Setting, row int) (int64, []byte, string) {
		question := o.Value
		o.Value = nil
		if !optionRows[row].Asks || question == nil {
			return 0, nil, ""
		}
		return optionQuestionFromPlain(row, question)
	})
	if err != nil {
		return err
	}
	if err := corecall.GetOptions(s, b.calls, b.arena); err != nil {
		return err
	}
	for k := range b.calls {
		b.got(s, k, &opts[b.asked[k].whose])
	}
	return nil
}

// SetAll sets many options in one crossing into C, in order, and sets Err of each. A failure does not stop those after it.
// Errors: net.ErrClosed.
func SetAll(s *esock.Socket, opts []Setting) error {
	b, err := newBatch(s, setopt, opts, setOTPOf, func(o *Setting, row int) (int64, []byte, string) {
		return optionFromPlain(row, o.Value)
	})
	if err != nil {
		return err
	}
	if err := corecall.SetOptions(s, b.calls, b.arena, rowNumbers); err != nil {
		return err
	}
	for k := range b.calls {
		o := &opts[b.asked[k].whose]
		if o.Err = nil; b.calls[k].Result < 0 {
			o.Err = optionResult(s, setopt, int(b.calls[k].Row), o.Value, int(b.calls[k].Result))
		}
	}
	return nil
}

func rowNumbers(row int) (level, number int) {
	return optionRows[row].LevelNumber, optionRows[row].Number
}

func getOTPOf(s *esock.Socket, o *Setting) { o.Value, o.Err = getOTP(s, o.Name) }
func setOTPOf(s *esock.Socket, o *Setting) { o.Err = setOTP(s, o.Name, o.Value) }

// batch holds the arguments of the core. The questions are kept for options that need more room.
type batch struct {
	calls []corecall.OptionCall
	asked []asked
	arena []byte
}

// asked holds the arguments of one option of a batch, and its room.
type asked struct {
	whose int
	i     int64
	data  []byte
	room  int
}

// newBatch encodes the options that the core has, and handles those of level otp at once.
func newBatch(s *esock.Socket, op string, opts []Setting, otp func(*esock.Socket, *Setting),
	encode func(*Setting, int) (int64, []byte, string)) (b batch, err error) {
	if err := optionTableError(); err != nil {
		return b, fail(s, op, err)
	}
	b.calls = make([]corecall.OptionCall, 0, len(opts))
	b.asked = make([]asked, 0, len(opts))
	for k := range opts {
		o := &opts[k]
		if o.Level == "otp" {
			otp(s, o)
			continue
		}
		row := findOption(o.Level, o.Name)
		if row < 0 {
			o.Err = fail(s, op, unknownOption(o.Level, o.Name))
			continue
		}
		value := o.Value
		i, data, cause := encode(o, row)
		if cause != "" {
			o.Err = fail(s, op, optionError(row, value, cause))
			continue
		}
		at := len(b.arena)
		b.arena = append(b.arena, data...)
		if room := optionSizes()[row].room; op == getopt && room > len(data) {
			b.arena = append(b.arena, make([]byte, room-len(data))...)
		}
		n := len(b.arena) - at
		b.calls = append(b.calls, corecall.OptionCall{Row: uint32(row), I: i, Offset: uint32(at), Len: uint32(n)})
		b.asked = append(b.asked, asked{k, i, data, n})
	}
	return b, nil
}

// got puts the answer of call k into its option. An answer that did not fit is read again, alone.
func (b *batch) got(s *esock.Socket, k int, o *Setting) {
	c, q := &b.calls[k], &b.asked[k]
	row, r := int(c.Row), int(c.Result)
	if more, again := moreRoom(row, q.room, int(c.Len), r); again {
		i, data, r, err := readRow(s, row, q.i, q.data, more)
		switch {
		case err != nil:
			o.Err = err
		case r < 0:
			o.Err = optionResult(s, getopt, row, o.Value, r)
		default:
			o.Value, o.Err = plainOption(row, i, *data), nil
			optionBuffers.put(data)
		}
		return
	}
	if r < 0 {
		o.Err = optionResult(s, getopt, row, o.Value, r)
		return
	}
	o.Value, o.Err = plainOption(row, c.I, b.arena[c.Offset:c.Offset+c.Len]), nil
}

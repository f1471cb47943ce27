package esock

// OptionValue is one option of a batch: which, its value, and what became of it.
type OptionValue struct {
	Level, Name string
	Value       any   // as Option returns it, or as SetOption takes it; of options that ask, the question on entry
	Err         error // why this one failed
}

// GetOptions reads many options in one crossing into C: Value and Err of each are set. Errors: net.ErrClosed; those of
// single options are with them.
func (s *Socket) GetOptions(opts []OptionValue) error {
	s = s.orClosed()
	return s.batch(opGetOpt, opts, func(o *OptionValue, row int) (int64, []byte, string) {
		question := o.Value
		o.Value = nil
		if !optionRows[row].Asks || question == nil {
			return 0, nil, ""
		}
		return optionQuestionFromPlain(row, question)
	}, cGetOpts)
}

// SetOptions sets many options in one crossing into C, in order; none stops those after it. Err of each is set.
// Errors: net.ErrClosed; those of single options are with them.
func (s *Socket) SetOptions(opts []OptionValue) error {
	s = s.orClosed()
	return s.batch(opSetOpt, opts, func(o *OptionValue, row int) (int64, []byte, string) {
		return optionFromPlain(row, o.Value)
	}, cSetOpts)
}

func (s *Socket) batch(op string, opts []OptionValue, encode func(*OptionValue, int) (int64, []byte, string),
	call func(*handle, []cOptCall, []byte)) error {
	if err := optionTableError(); err != nil {
		return s.fail(op, err)
	}
	var (
		calls = make([]cOptCall, 0, len(opts))
		asked = make([]optionQuestion, 0, len(opts))
		arena []byte
	)
	for k := range opts {
		o := &opts[k]
		if o.Level == "otp" {
			if op == opGetOpt {
				o.Value, o.Err = s.otpOption(o.Name)
			} else {
				o.Err = s.setOTPOption(o.Name, o.Value)
			}
			continue
		}
		row := findOption(o.Level, o.Name)
		if row < 0 {
			o.Err = s.fail(op, unknownOption(o.Level, o.Name))
			continue
		}
		value := o.Value
		i, data, cause := encode(o, row)
		if cause != "" {
			o.Err = s.fail(op, optionError(row, value, cause))
			continue
		}
		at := len(arena)
		arena = append(arena, data...)
		if room := optionSizes()[row].room; op == opGetOpt && room > len(data) {
			arena = append(arena, make([]byte, room-len(data))...)
		}
		calls = append(calls, newOptCall(row, i, at, len(arena)-at))
		asked = append(asked, optionQuestion{k, i, data, len(arena) - at})
	}
	if err := s.ref(op); err != nil {
		return err
	}
	defer s.unref()
	call(s.h, calls, arena)
	for k := range calls {
		c, q := &calls[k], &asked[k]
		s.batchResult(op, c, q, &opts[q.whose], arena)
	}
	return nil
}

// optionQuestion is what one option of a batch was called with, and with how much room.
type optionQuestion struct {
	whose int
	i     int64
	data  []byte
	room  int
}

func (s *Socket) batchResult(op string, c *cOptCall, q *optionQuestion, o *OptionValue, arena []byte) {
	row, r := int(c.row), int(c.result)
	if op == opSetOpt {
		if o.Err = nil; r < 0 {
			o.Err = s.optionResult(op, row, o.Value, r)
			return
		}
		s.optionWasSet(optionRows[row].LevelNumber, optionRows[row].Number)
		return
	}
	i := int64(c.i)
	if more, again := moreRoom(row, q.room, int(c.len), r); again {
		i = q.i
		data, r := s.readRow(row, &i, q.data, more)
		if r < 0 {
			o.Err = s.optionResult(op, row, o.Value, r)
			return
		}
		o.Value, o.Err = plainOption(row, i, *data), nil
		optionBuffers.put(data)
		return
	}
	if r < 0 {
		o.Err = s.optionResult(op, row, o.Value, r)
		return
	}
	o.Value, o.Err = plainOption(row, i, arena[c.offset:c.offset+c.len]), nil
}

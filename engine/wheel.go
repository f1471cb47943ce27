package engine

import (
	"math/bits"
	"time"
)

// wheel has the timers of a loop. A timer lies in the level of the highest digit, to the base of 64, in which its tick
// differs from now, and in the slot of that digit. So the lowest level in use has the next timer, adding and removing
// take the same time however many there are, and so does a step over any time without timers: a machine that stood
// still for a day costs nothing. The loop's lock guards it.
type wheel struct {
	now   int64 // in ticks
	count int
	used  [levels]uint64          // a bit for each slot that has timers
	slots [levels][slotsOf]*timer // the first of a ring
	due   *timer                  // those whose time has come, a ring too
}

const (
	tick    = time.Millisecond
	slotsOf = 64
	levels  = 8 // enough for all of time.Duration
	isDue   = levels
)

// timer is a place in a wheel.
type timer struct {
	who        interface{ expired() } // called in the goroutine of Run
	at         int64                  // a tick
	prev, next *timer                 // nil while it is in no wheel
	level      uint8                  // isDue: it is due
	slot       uint8
}

// ticks is the first tick that is not before t.
func ticks(t time.Duration) int64 {
	n := int64(t / tick)
	if time.Duration(n)*tick < t {
		n++
	}
	return n
}

func (w *wheel) list(t *timer) **timer {
	if t.level == isDue {
		return &w.due
	}
	return &w.slots[t.level][t.slot]
}

// set puts a timer, which may be in the wheel already, where its time is. It reports whether it is the next one now.
func (w *wheel) set(t *timer, at int64) (first bool) {
	w.remove(t)
	first = w.count == 0 || at < w.next()
	t.at = at
	w.insert(t)
	w.count++
	return first
}

func (w *wheel) insert(t *timer) {
	if t.at <= w.now {
		t.level = isDue
	} else {
		t.level = uint8((bits.Len64(uint64(t.at^w.now)) - 1) / 6)
		t.slot = uint8(t.at >> (6 * t.level) % slotsOf)
		w.used[t.level] |= 1 << t.slot
	}
	head := w.list(t)
	if *head == nil {
		t.prev, t.next, *head = t, t, t
		return
	}
	t.prev, t.next = (*head).prev, *head
	t.prev.next, t.next.prev = t, t
}

// remove takes a timer out, and reports whether it was in.
func (w *wheel) remove(t *timer) bool {
	if t.next == nil {
		return false
	}
	w.unlink(t)
	w.count--
	return true
}

func (w *wheel) unlink(t *timer) {
	head := w.list(t)
	if t.next == t {
		*head = nil
		if t.level != isDue {
			w.used[t.level] &^= 1 << t.slot
		}
	} else {
		t.prev.next, t.next.prev = t.next, t.prev
		if *head == t {
			*head = t.next
		}
	}
	t.prev, t.next = nil, nil
}

// next is the tick at which the wheel is to be looked at: that of its next timer, or an earlier one. The wheel is not
// empty.
func (w *wheel) next() int64 {
	if w.due != nil {
		return w.now
	}
	_, at := w.lowest()
	return at
}

// lowest is the lowest level in use, -1 if there is none, and the tick at which its first slot in use begins.
func (w *wheel) lowest() (level int, at int64) {
	for level, used := range w.used {
		if used != 0 {
			above := 6 * (level + 1)
			return level, w.now>>above<<above | int64(bits.TrailingZeros64(used))<<(6*level)
		}
	}
	return -1, 0
}

// advance makes those timers due whose tick is not after now.
func (w *wheel) advance(now int64) {
	for {
		level, at := w.lowest()
		if level < 0 || at > now {
			break
		}
		w.now = at
		slot := at >> (6 * level) % slotsOf
		for head := &w.slots[level][slot]; *head != nil; {
			t := *head
			w.unlink(t)
			w.insert(t) // at a lower level, or due
		}
	}
	w.now = max(w.now, now)
}

package esock

// Lists whose links are fields of the elements, so that an entry allocates nothing. An element may be in several lists, each
// with links of its own.

// links are an element's neighbours in one list.
type links[T any] struct{ prev, next *T }

// linksOf says which field of an element has the links of a list.
type linksOf[T any] interface{ of(*T) *links[T] }

// list is such a list. The zero list is empty.
type list[T any, L linksOf[T]] struct{ head, tail *T }

func (*list[T, L]) of(x *T) *links[T] {
	var l L
	return l.of(x)
}

// has reports whether x is in the list. x is in no other list with the same links.
func (l *list[T, L]) has(x *T) bool { return l.head == x || l.of(x).prev != nil }

// push appends x.
func (l *list[T, L]) push(x *T) { l.insert(x, l.tail) }

// insert puts x behind another element, nil: at the front.
func (l *list[T, L]) insert(x, after *T) {
	at := l.of(x)
	at.prev, at.next = after, l.head
	if after == nil {
		l.head = x
	} else {
		b := l.of(after)
		at.next, b.next = b.next, x
	}
	if at.next == nil {
		l.tail = x
	} else {
		l.of(at.next).prev = x
	}
}

// remove takes x out; it must be in.
func (l *list[T, L]) remove(x *T) {
	at := l.of(x)
	if at.prev == nil {
		l.head = at.next
	} else {
		l.of(at.prev).next = at.next
	}
	if at.next == nil {
		l.tail = at.prev
	} else {
		l.of(at.next).prev = at.prev
	}
	*at = links[T]{}
}

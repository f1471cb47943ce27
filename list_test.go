package esock

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type listed struct {
	n int
	links[listed]
}

type listedLinks struct{}

func (listedLinks) of(x *listed) *links[listed] { return &x.links }

// elements are those of the list from its front, after a check of the links.
func elements(t assert.TestingT, l *list[listed, listedLinks]) (ns []int) {
	var before *listed
	for x := l.head; x != nil; before, x = x, x.next {
		assert.Same(t, before, x.prev)
		assert.True(t, l.has(x))
		ns = append(ns, x.n)
	}
	assert.Same(t, before, l.tail)
	return ns
}

func TestListOfOne(t *testing.T) {
	var l list[listed, listedLinks]
	x := &listed{n: 1}
	assert.False(t, l.has(x))
	l.push(x)
	assert.Equal(t, []int{1}, elements(t, &l))
	l.remove(x)
	assert.False(t, l.has(x))
	assert.Zero(t, l)
}

// A list is in the order of a slice of which the same is done, and what is taken out keeps nothing of it: an element that lives
// on would otherwise hold all that were beside it.
func TestPropertyListIsASequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l list[listed, listedLinks]
		var want []*listed
		for n := range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch at := rapid.IntRange(0, len(want)).Draw(t, "at"); {
			case rapid.Bool().Draw(t, "take out") && at < len(want):
				x := want[at]
				l.remove(x)
				require.False(t, l.has(x))
				require.Zero(t, x.links)
				want = slices.Delete(want, at, at+1)
			case at == len(want):
				x := &listed{n: n}
				require.False(t, l.has(x))
				l.push(x)
				want = append(want, x)
			default:
				var after *listed
				if at > 0 {
					after = want[at-1]
				}
				x := &listed{n: n}
				l.insert(x, after)
				want = slices.Insert(want, at, x)
			}
			var ns []int
			for _, x := range want {
				ns = append(ns, x.n)
			}
			require.Equal(t, ns, elements(t, &l))
		}
	})
}

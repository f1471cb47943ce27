// Package testint has numbers for tests that need more than 32 bits.
package testint

import "math"

// Wide are ints that no C int holds. There are none where an int has 32 bits.
func Wide() []int {
	if math.MaxInt == math.MaxInt32 {
		return nil
	}
	one := int64(1)
	return []int{int(one << 31), int(one << 40), math.MaxInt}
}

package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestReleasesAreUnderstood(t *testing.T) {
	for text, want := range map[string][2]int{"6.18.44-fc-v657": {6, 18}, "7.0.0-rc1+": {7, 0}, "5.10": {5, 10}, "7.1-1-default": {7, 1},
		"": {}, "six": {}, "6": {}} {
		assert.Equal(t, want, parse(text), text)
	}
	assert.NotZero(t, Release()[0])
	assert.True(t, From(2, 6))
	assert.False(t, From(1000, 0))
	r := Release()
	assert.True(t, From(r[0], r[1]))
	assert.False(t, From(r[0], r[1]+1))
}

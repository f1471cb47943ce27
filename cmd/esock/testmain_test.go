package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/esock-go/esock/internal/machine"
)

func TestMain(m *testing.M) {
	if why := machine.Lacks(); why != "" {
		fmt.Println("skipped:", why)
		return
	}
	os.Exit(m.Run())
}

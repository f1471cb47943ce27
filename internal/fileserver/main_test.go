package fileserver

import (
	"os"
	"testing"

	"github.com/esock-go/esock/internal/testmain"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

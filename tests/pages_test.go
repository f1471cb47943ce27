package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

// The table of docs/architecture.md is the one that the code is held to.
func TestTheDocumentOfTheArchitectureListsTheImports(t *testing.T) {
	sourcetree.Need(t)
	b, err := os.ReadFile("../docs/architecture.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(b), "\n### What may import what\n")
	require.True(t, found, "the section has another title")
	section, _, _ = strings.Cut(section, "\n## ")

	packages := func(cell string) (names []string) {
		for _, span := range codeSpan.FindAllStringSubmatch(cell, -1) {
			if span[1] == "esock" {
				span[1] = "."
			}
			names = append(names, span[1])
		}
		return names
	}
	documented := map[string][]string{}
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(line, "|")
		require.Len(t, cells, 5, "%s", line)
		for _, of := range packages(cells[1]) {
			assert.NotContains(t, documented, of, "twice in the table")
			documented[of] = packages(cells[2])
		}
	}
	for _, row := range imports {
		may, known := documented[row.of]
		assert.True(t, known, "docs/architecture.md does not say what %s may import", row.of)
		assert.ElementsMatch(t, words(row.may), may, "what %s may import", row.of)
		delete(documented, row.of)
	}
	assert.Empty(t, documented, "docs/architecture.md has packages that are not there")
}

// The table of where to look names something that is in the file it names.
func TestTheDocumentOfTheArchitectureSaysWhereToLook(t *testing.T) {
	sourcetree.Need(t)
	b, err := os.ReadFile("../docs/architecture.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(b), "| question | file | name |\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	row := regexp.MustCompile("^\\| .* \\| \\[`.+`\\]\\(\\.\\./(.+)\\) \\| `(.+)` \\|$")
	for line := range strings.Lines(strings.TrimPrefix(table, "| --- | --- | --- |\n")) {
		m := row.FindStringSubmatch(strings.TrimSpace(line))
		if !assert.NotNil(t, m, line) {
			continue
		}
		source, err := os.ReadFile("../" + m[1])
		if !assert.NoError(t, err, line) {
			continue
		}
		name := regexp.MustCompile(`\b` + m[2] + `\b`)
		if strings.HasSuffix(m[1], ".go") {
			name = regexp.MustCompile(`(?m)^func (\(.*\) )?` + m[2] + `\(`)
		}
		assert.Regexp(t, name, string(source), line)
	}
}

// Every relative link leads to a file of the repository and, with a fragment, to a heading of that page.
func TestTheLinksOfThePagesLeadSomewhere(t *testing.T) {
	sourcetree.Need(t)
	var pages []string
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../.github/*.md", "../.github/ISSUE_TEMPLATE/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		pages = append(pages, found...)
	}
	require.NotEmpty(t, pages)
	link := regexp.MustCompile(`\]\(([^()\s]+)\)`)
	for _, page := range pages {
		b, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			if strings.Contains(m[1], ":") { // of the web
				continue
			}
			path, fragment, _ := strings.Cut(m[1], "#")
			target := filepath.Join(filepath.Dir(page), path)
			if path == "" {
				target = page
			}
			if _, err := os.Stat(target); !assert.NoError(t, err, "%s links to %s", page, m[1]) {
				continue
			}
			if fragment != "" && strings.HasSuffix(target, ".md") {
				assert.Contains(t, anchors(t, target), fragment, "%s links to %s", page, m[1])
			}
		}
	}
}

// anchors are the fragments by which the headings of a page are found on GitHub.
func anchors(t *testing.T, page string) (list []string) {
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	dropped := regexp.MustCompile(`[^\w\- ]`)
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			title := strings.TrimSpace(strings.TrimLeft(line, "#"))
			list = append(list, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(title), ""), " ", "-"))
		}
	}
	return list
}

// Print who joins and who leaves; SIGINT and SIGTERM end it:
//
//	make lib && cd examples/bindings/go && go build -o watch.out ./watch && ./watch.out epmd:localhost
package main

import (
	"bufio"
	"cluster"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func fail(status int, err error) {
	fmt.Fprintf(os.Stderr, "watch: %s\n", err)
	os.Exit(status)
}

func say(out *bufio.Writer, e cluster.Event) {
	marks := map[int]string{cluster.Join: "+", cluster.Leave: "-", cluster.Change: "~"}
	switch {
	case marks[e.Type] != "":
		fmt.Fprintln(out, marks[e.Type], e.Member)
	case e.Type == cluster.Source_ && e.Error == 0:
		fmt.Fprintln(out, "source", e.URL, "answers")
	case e.Type == cluster.Source_:
		fmt.Fprintln(out, "source", e.URL, e.Text)
	default:
		fmt.Fprintln(out, e.Name(), e.Text)
	}
}

func main() {
	if len(os.Args) < 2 {
		fail(2, fmt.Errorf("name a source, as in: %s epmd:localhost", os.Args[0]))
	}
	c, err := cluster.New("", 0)
	if err != nil {
		fail(3, err)
	}
	defer c.Close()
	for _, url := range os.Args[1:] {
		if _, err := c.Discover(url); err != nil {
			fail(2, err)
		}
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	out := bufio.NewWriter(os.Stdout)
	for len(ended) == 0 {
		for e, more := c.Next(); more; e, more = c.Next() {
			say(out, e)
		}
		if err := out.Flush(); err != nil {
			fail(3, fmt.Errorf("the output cannot be written: %w", err))
		}
		if err := c.Poll(200 * time.Millisecond); err != nil { // a signal is seen between two polls
			fail(3, err)
		}
	}
}

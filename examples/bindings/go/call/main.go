// Call a function on every node that a source finds, as rpc:multicall does, and print a node and its result a line:
//
//	make lib && cd examples/bindings/go && go build -o call.out ./call && ./call.out me@127.0.0.1 COOKIE epmd:127.0.0.1 erlang node
package main

import (
	"cluster"
	"errors"
	"fmt"
	"os"
)

// How many nodes did not answer.
func callAll(me, cookie, url, module, function, arguments string) (int, error) {
	c, err := cluster.NewErlang(me, cookie)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err := c.Discover(url); err != nil {
		return 0, err
	}
	waiting, answered, lost := map[uint64]string{}, false, 0
	for {
		for e, more := c.Next(); more; e, more = c.Next() {
			switch {
			case e.Type == cluster.Join && e.Member != me:
				request, err := c.Call(e.Member, module, function, arguments)
				if err != nil {
					return lost, err
				}
				waiting[request] = e.Member
			case e.Type == cluster.Reply:
				fmt.Println(waiting[e.Request], map[bool]string{true: e.Text, false: e.Term}[e.Term == ""])
				delete(waiting, e.Request)
				if e.Error < 0 {
					lost++
				}
			case e.Type == cluster.Source_ && e.Error < 0:
				return lost, &cluster.Error{Code: e.Error, Text: e.Text}
			case e.Type == cluster.Source_: // behind the joins of its round
				answered = true
			}
		}
		if answered && len(waiting) == 0 {
			return lost, nil
		}
		if err := c.Poll(-1); err != nil {
			return lost, err
		}
	}
}

func main() {
	a := append(os.Args[1:], "[]")
	if len(a) < 6 || len(a) > 7 {
		fmt.Fprintln(os.Stderr, "call: say who you are: call NAME@HOST COOKIE URL MODULE FUNCTION ['[ARGUMENTS]']")
		os.Exit(2)
	}
	lost, err := callAll(a[0], a[1], a[2], a[3], a[4], a[5])
	var known *cluster.Error
	switch {
	case errors.As(err, &known) && known.Code == cluster.EInvalid:
		fmt.Fprintln(os.Stderr, "call:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "call:", err)
		os.Exit(3)
	case lost > 0:
		os.Exit(1)
	}
}

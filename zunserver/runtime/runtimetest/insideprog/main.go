// Command insideprog is the program of package inside and nothing else: tests put it into sandboxes, because a test binary is
// not capsulet.
package main

import _ "github.com/capsulet/capsulet/zunserver/inside/entry"

func main() {}

package main

// fast are the specs of TestFast.
var fast = []string{}

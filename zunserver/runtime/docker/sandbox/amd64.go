package sandbox

// Numbers of the kernel's interface on x86-64 (asm/unistd_64.h, asm/signal.h).
const (
	sysRtSigaction = 13
	sysRtSigreturn = 15
	sysPause       = 34
	sysExitGroup   = 231

	sigInt  = 2
	sigTerm = 15
	sigChld = 17

	sigIgn     = 1
	saRestorer = 0x04000000 // x86-64 has no default return path from a handler
)

// amd64 is the program.
func amd64() []byte {
	a := &assembler{labels: map[string]int{}}
	a.sigaction(sigChld, "ignore")
	a.sigaction(sigTerm, "exit")
	a.sigaction(sigInt, "exit")

	a.label("wait")
	a.syscall(sysPause)
	a.bytes(0xeb) // jmp short wait
	a.ref("wait", 1, true)

	a.label("handler")
	a.bytes(0x31, 0xff) // xor edi, edi: exit code 0
	a.syscall(sysExitGroup)

	a.label("restorer") // never reached, as the handler does not return; the kernel wants one all the same
	a.syscall(sysRtSigreturn)

	for len(a.code)%8 != 0 {
		a.bytes(0x90) // nop: the structures below are aligned
	}
	// struct kernel_sigaction { handler; flags; restorer; mask }
	a.label("ignore")
	a.quad(sigIgn)
	a.quad(0)
	a.quad(0)
	a.quad(0)
	a.label("exit")
	a.ref("handler", 8, false)
	a.quad(saRestorer)
	a.ref("restorer", 8, false)
	a.quad(0)
	return a.finish()
}

// sigaction is rt_sigaction(signal, &action, NULL, 8).
func (a *assembler) sigaction(signal byte, action string) {
	a.bytes(0xbf, signal, 0, 0, 0) // mov edi, signal
	a.bytes(0x48, 0x8d, 0x35)      // lea rsi, [rip+action]
	a.ref(action, 4, true)
	a.bytes(0x31, 0xd2)                   // xor edx, edx
	a.bytes(0x41, 0xba, 0x08, 0, 0, 0x00) // mov r10d, 8: the size of a signal set
	a.syscall(sysRtSigaction)
}

func (a *assembler) syscall(number byte) {
	a.bytes(0xb8, number, 0, 0, 0) // mov eax, number
	a.bytes(0x0f, 0x05)            // syscall
}

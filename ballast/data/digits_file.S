// Embeds data/digits.npz, so that no file is needed at run time. BALLAST_DIGITS_FILE is set by CMake.
        .section .rodata
        .balign 16
        .globl ballast_digits_begin
        .hidden ballast_digits_begin
ballast_digits_begin:
        .incbin BALLAST_DIGITS_FILE
        .globl ballast_digits_end
        .hidden ballast_digits_end
ballast_digits_end:
        .byte 0
        .section .note.GNU-stack,"",%progbits

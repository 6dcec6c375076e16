# SPDX-License-Identifier: MIT
"""image.py FATBIN OUT: the kernels as a C array, swarm_moe_image, for swarm_moe_driver.image."""
import sys

with open(sys.argv[1], "rb") as file:
    DATA = file.read()
LINES = (", ".join(str(byte) for byte in DATA[i:i + 24]) for i in range(0, len(DATA), 24))
with open(sys.argv[2], "w", encoding="ascii") as file:
    file.write("extern const unsigned char swarm_moe_image[];\n\n"
               "_Alignas(64) const unsigned char swarm_moe_image[] = {\n    "
               + ",\n    ".join(LINES) + "};\n")

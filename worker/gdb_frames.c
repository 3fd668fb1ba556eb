/* SPDX-License-Identifier: Apache-2.0 */
/* gdb_frames.py and gdb_python.py as part of the worker: no further file has to be installed, or shown
 * to gdb. */
#include "worker/gdb_private.h"

__asm__(".pushsection .rodata\n"
        ".global worker_gdb_frames_script, worker_gdb_frames_script_end\n"
        ".hidden worker_gdb_frames_script, worker_gdb_frames_script_end\n"
        "worker_gdb_frames_script:\n"
        ".incbin \"worker/gdb_frames.py\"\n"
        "worker_gdb_frames_script_end:\n"
        ".global worker_gdb_python_script, worker_gdb_python_script_end\n"
        ".hidden worker_gdb_python_script, worker_gdb_python_script_end\n"
        "worker_gdb_python_script:\n"
        ".incbin \"worker/gdb_python.py\"\n"
        "worker_gdb_python_script_end:\n"
        ".popsection\n");

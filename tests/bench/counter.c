/* Switches callgrind's counting on and off; each is a few instructions that do nothing where no valgrind runs. */

#include <valgrind/callgrind.h>

void start_counting(void) { CALLGRIND_START_INSTRUMENTATION; }
void stop_counting(void) { CALLGRIND_STOP_INSTRUMENTATION; }

// What jemalloc is told before the program begins (its manual, "TUNING"): memory that nobody uses
// goes back to the system after ten seconds also where nothing is allocated any more.
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true";

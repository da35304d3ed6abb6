/* core/service.h - flanneld in the hands of the host: the pidfile, the way into the background,
 * and which user it is. */
#ifndef FL_SERVICE_H
#define FL_SERVICE_H

struct fl_options;

/**
 * Run until told to stop; with --daemon, run in the background and return once that is ready.
 * @param opts  with --daemon, relative file names in it become absolute
 * @return an exit code, of enum fl_exit
 */
int fl_service_run(struct fl_options *opts);

#endif

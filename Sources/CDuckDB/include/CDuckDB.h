// The part of DuckDB's C API (1.5.5) that Sluice calls. The library is loaded at run time: every
// function below is a wrapper that jumps through a table, which sluice_duckdb_load fills.
//
// What the functions do is said at https://duckdb.org/docs/stable/clients/c/api.
#ifndef SLUICE_CDUCKDB_H
#define SLUICE_CDUCKDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Type identifiers of logical types.
enum {
  DUCKDB_TYPE_INVALID = 0,
  DUCKDB_TYPE_BOOLEAN = 1,
  DUCKDB_TYPE_TINYINT = 2,
  DUCKDB_TYPE_SMALLINT = 3,
  DUCKDB_TYPE_INTEGER = 4,
  DUCKDB_TYPE_BIGINT = 5,
  DUCKDB_TYPE_UTINYINT = 6,
  DUCKDB_TYPE_USMALLINT = 7,
  DUCKDB_TYPE_UINTEGER = 8,
  DUCKDB_TYPE_UBIGINT = 9,
  DUCKDB_TYPE_FLOAT = 10,
  DUCKDB_TYPE_DOUBLE = 11,
  DUCKDB_TYPE_TIMESTAMP = 12,
  DUCKDB_TYPE_DATE = 13,
  DUCKDB_TYPE_TIME = 14,
  DUCKDB_TYPE_INTERVAL = 15,
  DUCKDB_TYPE_HUGEINT = 16,
  DUCKDB_TYPE_VARCHAR = 17,
  DUCKDB_TYPE_BLOB = 18,
  DUCKDB_TYPE_DECIMAL = 19,
  DUCKDB_TYPE_TIMESTAMP_S = 20,
  DUCKDB_TYPE_TIMESTAMP_MS = 21,
  DUCKDB_TYPE_TIMESTAMP_NS = 22,
  DUCKDB_TYPE_ENUM = 23,
  DUCKDB_TYPE_LIST = 24,
  DUCKDB_TYPE_STRUCT = 25,
  DUCKDB_TYPE_MAP = 26,
  DUCKDB_TYPE_UUID = 27,
  DUCKDB_TYPE_UNION = 28,
  DUCKDB_TYPE_BIT = 29,
  DUCKDB_TYPE_TIME_TZ = 30,
  DUCKDB_TYPE_TIMESTAMP_TZ = 31,
  DUCKDB_TYPE_UHUGEINT = 32,
  DUCKDB_TYPE_ARRAY = 33,
  DUCKDB_TYPE_SQLNULL = 36,
};

// Kinds of errors that Sluice tells apart.
enum {
  DUCKDB_ERROR_IO = 28,
  DUCKDB_ERROR_INTERRUPT = 29,
  DUCKDB_ERROR_OUT_OF_MEMORY = 33,
};

// 0 is success.
typedef int32_t duckdb_state;
typedef int32_t duckdb_type;
typedef uint64_t idx_t;

// Handles. Each is freed by its own destroy function, which takes its address and clears it.
typedef struct sluice_duckdb_database *duckdb_database;
typedef struct sluice_duckdb_connection *duckdb_connection;
typedef struct sluice_duckdb_config *duckdb_config;
typedef struct sluice_duckdb_statement *duckdb_prepared_statement;
typedef struct sluice_duckdb_value *duckdb_value;
typedef struct sluice_duckdb_logical_type *duckdb_logical_type;
typedef struct sluice_duckdb_chunk *duckdb_data_chunk;
typedef struct sluice_duckdb_vector *duckdb_vector;
typedef struct sluice_duckdb_appender *duckdb_appender;
typedef struct sluice_duckdb_table_function *duckdb_table_function;
typedef struct sluice_duckdb_bind_info *duckdb_bind_info;
typedef struct sluice_duckdb_init_info *duckdb_init_info;
typedef struct sluice_duckdb_function_info *duckdb_function_info;
typedef struct sluice_duckdb_scalar_function *duckdb_scalar_function;

typedef struct {
  uint64_t lower;
  int64_t upper;
} duckdb_hugeint;

typedef struct {
  uint64_t lower;
  uint64_t upper;
} duckdb_uhugeint;

typedef struct {
  uint8_t width;
  uint8_t scale;
  duckdb_hugeint value;
} duckdb_decimal;

typedef struct {
  int32_t days;
} duckdb_date;

typedef struct {
  int64_t micros;
} duckdb_time;

typedef struct {
  int64_t micros;
} duckdb_timestamp;

typedef struct {
  double percentage;
  uint64_t rows_processed;
  uint64_t total_rows_to_process;
} duckdb_query_progress_type;

typedef struct {
  uint64_t offset;
  uint64_t length;
} duckdb_list_entry;

// A string in a vector: up to 12 bytes lie in the value itself, longer ones behind a pointer with
// their first four bytes repeated.
typedef struct {
  uint32_t length;
  char prefix[4];
  char *pointer;
} duckdb_string_t;

// A result; only internal_data matters, the rest keeps the layout.
typedef struct {
  idx_t unused_counts[3];
  void *unused_pointers[2];
  void *internal_data;
} duckdb_result;

typedef void (*duckdb_delete_callback_t)(void *data);
typedef void (*duckdb_table_function_bind_t)(duckdb_bind_info info);
typedef void (*duckdb_table_function_init_t)(duckdb_init_info info);
typedef void (*duckdb_table_function_t)(duckdb_function_info info, duckdb_data_chunk output);
typedef void (*duckdb_scalar_function_t)(duckdb_function_info info, duckdb_data_chunk input,
                                         duckdb_vector output);

// X(return type, name, parameters, arguments), for every function of the table.
#define SLUICE_DUCKDB_FUNCTIONS(X)                                                                 \
  X(const char *, duckdb_library_version, (void), ())                                              \
  X(duckdb_state, duckdb_create_config, (duckdb_config *out), (out))                               \
  X(duckdb_state, duckdb_set_config,                                                               \
    (duckdb_config config, const char *name, const char *option), (config, name, option))          \
  X(void, duckdb_destroy_config, (duckdb_config *config), (config))                                \
  X(duckdb_state, duckdb_open_ext,                                                                 \
    (const char *path, duckdb_database *out, duckdb_config config, char **error),                  \
    (path, out, config, error))                                                                    \
  X(void, duckdb_close, (duckdb_database *database), (database))                                   \
  X(duckdb_state, duckdb_connect, (duckdb_database database, duckdb_connection *out),              \
    (database, out))                                                                               \
  X(void, duckdb_disconnect, (duckdb_connection *connection), (connection))                        \
  X(void, duckdb_interrupt, (duckdb_connection connection), (connection))                          \
  X(duckdb_query_progress_type, duckdb_query_progress, (duckdb_connection connection),             \
    (connection))                                                                                  \
  X(void, duckdb_free, (void *pointer), (pointer))                                                 \
  X(duckdb_state, duckdb_query,                                                                    \
    (duckdb_connection connection, const char *sql, duckdb_result *out), (connection, sql, out))   \
  X(void, duckdb_destroy_result, (duckdb_result *result), (result))                                \
  X(const char *, duckdb_column_name, (duckdb_result *result, idx_t column), (result, column))     \
  X(duckdb_logical_type, duckdb_column_logical_type, (duckdb_result *result, idx_t column),        \
    (result, column))                                                                              \
  X(idx_t, duckdb_column_count, (duckdb_result *result), (result))                                 \
  X(const char *, duckdb_result_error, (duckdb_result *result), (result))                          \
  X(int32_t, duckdb_result_error_type, (duckdb_result *result), (result))                          \
  X(duckdb_data_chunk, duckdb_fetch_chunk, (duckdb_result result), (result))                       \
  X(duckdb_state, duckdb_prepare,                                                                  \
    (duckdb_connection connection, const char *sql, duckdb_prepared_statement *out),               \
    (connection, sql, out))                                                                        \
  X(void, duckdb_destroy_prepare, (duckdb_prepared_statement *statement), (statement))             \
  X(const char *, duckdb_prepare_error, (duckdb_prepared_statement statement), (statement))        \
  X(idx_t, duckdb_nparams, (duckdb_prepared_statement statement), (statement))                     \
  X(const char *, duckdb_parameter_name, (duckdb_prepared_statement statement, idx_t index),       \
    (statement, index))                                                                            \
  X(idx_t, duckdb_prepared_statement_column_count, (duckdb_prepared_statement statement),          \
    (statement))                                                                                   \
  X(const char *, duckdb_prepared_statement_column_name,                                           \
    (duckdb_prepared_statement statement, idx_t column), (statement, column))                      \
  X(duckdb_logical_type, duckdb_prepared_statement_column_logical_type,                            \
    (duckdb_prepared_statement statement, idx_t column), (statement, column))                      \
  X(duckdb_state, duckdb_bind_value,                                                               \
    (duckdb_prepared_statement statement, idx_t index, duckdb_value value),                        \
    (statement, index, value))                                                                     \
  X(duckdb_state, duckdb_execute_prepared,                                                         \
    (duckdb_prepared_statement statement, duckdb_result *out), (statement, out))                   \
  X(duckdb_state, duckdb_execute_prepared_streaming,                                               \
    (duckdb_prepared_statement statement, duckdb_result *out), (statement, out))                   \
  X(void, duckdb_destroy_value, (duckdb_value *value), (value))                                    \
  X(duckdb_value, duckdb_create_null_value, (void), ())                                            \
  X(duckdb_value, duckdb_create_bool, (bool value), (value))                                       \
  X(duckdb_value, duckdb_create_int64, (int64_t value), (value))                                   \
  X(duckdb_value, duckdb_create_float, (float value), (value))                                     \
  X(duckdb_value, duckdb_create_double, (double value), (value))                                   \
  X(duckdb_value, duckdb_create_decimal, (duckdb_decimal value), (value))                          \
  X(duckdb_value, duckdb_create_date, (duckdb_date value), (value))                                \
  X(duckdb_value, duckdb_create_time, (duckdb_time value), (value))                                \
  X(duckdb_value, duckdb_create_timestamp, (duckdb_timestamp value), (value))                      \
  X(duckdb_value, duckdb_create_timestamp_tz, (duckdb_timestamp value), (value))                   \
  X(duckdb_value, duckdb_create_varchar_length, (const char *text, idx_t length), (text, length))  \
  X(duckdb_value, duckdb_create_blob, (const uint8_t *data, idx_t length), (data, length))         \
  X(duckdb_value, duckdb_create_uuid, (duckdb_uhugeint value), (value))                            \
  X(duckdb_value, duckdb_create_list_value,                                                        \
    (duckdb_logical_type type, duckdb_value *values, idx_t count), (type, values, count))          \
  X(duckdb_value, duckdb_create_map_value,                                                         \
    (duckdb_logical_type type, duckdb_value *keys, duckdb_value *values, idx_t count),             \
    (type, keys, values, count))                                                                   \
  X(duckdb_value, duckdb_create_struct_value, (duckdb_logical_type type, duckdb_value *values),    \
    (type, values))                                                                                \
  X(int64_t, duckdb_get_int64, (duckdb_value value), (value))                                      \
  X(duckdb_logical_type, duckdb_create_logical_type, (duckdb_type type), (type))                   \
  X(duckdb_logical_type, duckdb_create_list_type, (duckdb_logical_type type), (type))              \
  X(duckdb_logical_type, duckdb_create_map_type,                                                   \
    (duckdb_logical_type key, duckdb_logical_type value), (key, value))                            \
  X(duckdb_logical_type, duckdb_create_struct_type,                                                \
    (duckdb_logical_type * types, const char **names, idx_t count), (types, names, count))         \
  X(duckdb_logical_type, duckdb_create_decimal_type, (uint8_t width, uint8_t scale),               \
    (width, scale))                                                                                \
  X(void, duckdb_destroy_logical_type, (duckdb_logical_type * type), (type))                       \
  X(duckdb_type, duckdb_get_type_id, (duckdb_logical_type type), (type))                           \
  X(uint8_t, duckdb_decimal_width, (duckdb_logical_type type), (type))                             \
  X(uint8_t, duckdb_decimal_scale, (duckdb_logical_type type), (type))                             \
  X(duckdb_type, duckdb_decimal_internal_type, (duckdb_logical_type type), (type))                 \
  X(duckdb_logical_type, duckdb_list_type_child_type, (duckdb_logical_type type), (type))          \
  X(duckdb_logical_type, duckdb_array_type_child_type, (duckdb_logical_type type), (type))         \
  X(idx_t, duckdb_array_type_array_size, (duckdb_logical_type type), (type))                       \
  X(duckdb_logical_type, duckdb_map_type_key_type, (duckdb_logical_type type), (type))             \
  X(duckdb_logical_type, duckdb_map_type_value_type, (duckdb_logical_type type), (type))           \
  X(idx_t, duckdb_struct_type_child_count, (duckdb_logical_type type), (type))                     \
  X(char *, duckdb_struct_type_child_name, (duckdb_logical_type type, idx_t index), (type, index)) \
  X(duckdb_logical_type, duckdb_struct_type_child_type, (duckdb_logical_type type, idx_t index),   \
    (type, index))                                                                                 \
  X(void, duckdb_destroy_data_chunk, (duckdb_data_chunk * chunk), (chunk))                         \
  X(duckdb_vector, duckdb_data_chunk_get_vector, (duckdb_data_chunk chunk, idx_t column),          \
    (chunk, column))                                                                               \
  X(idx_t, duckdb_data_chunk_get_size, (duckdb_data_chunk chunk), (chunk))                         \
  X(void, duckdb_data_chunk_set_size, (duckdb_data_chunk chunk, idx_t size), (chunk, size))        \
  X(void *, duckdb_vector_get_data, (duckdb_vector vector), (vector))                              \
  X(uint64_t *, duckdb_vector_get_validity, (duckdb_vector vector), (vector))                      \
  X(void, duckdb_vector_ensure_validity_writable, (duckdb_vector vector), (vector))                \
  X(void, duckdb_unsafe_vector_assign_string_element_len,                                          \
    (duckdb_vector vector, idx_t index, const char *text, idx_t length),                           \
    (vector, index, text, length))                                                                 \
  X(duckdb_vector, duckdb_list_vector_get_child, (duckdb_vector vector), (vector))                 \
  X(duckdb_state, duckdb_list_vector_reserve, (duckdb_vector vector, idx_t capacity),              \
    (vector, capacity))                                                                            \
  X(duckdb_state, duckdb_list_vector_set_size, (duckdb_vector vector, idx_t size), (vector, size)) \
  X(duckdb_vector, duckdb_struct_vector_get_child, (duckdb_vector vector, idx_t index),            \
    (vector, index))                                                                               \
  X(duckdb_vector, duckdb_array_vector_get_child, (duckdb_vector vector), (vector))                \
  X(duckdb_state, duckdb_appender_create_ext,                                                      \
    (duckdb_connection connection, const char *catalog, const char *schema, const char *table,     \
     duckdb_appender *out),                                                                        \
    (connection, catalog, schema, table, out))                                                     \
  X(const char *, duckdb_appender_error, (duckdb_appender appender), (appender))                   \
  X(duckdb_state, duckdb_append_value, (duckdb_appender appender, duckdb_value value),             \
    (appender, value))                                                                             \
  X(duckdb_state, duckdb_appender_end_row, (duckdb_appender appender), (appender))                 \
  X(duckdb_state, duckdb_appender_close, (duckdb_appender appender), (appender))                   \
  X(duckdb_state, duckdb_appender_destroy, (duckdb_appender * appender), (appender))               \
  X(duckdb_table_function, duckdb_create_table_function, (void), ())                               \
  X(void, duckdb_destroy_table_function, (duckdb_table_function * function), (function))           \
  X(void, duckdb_table_function_set_name, (duckdb_table_function function, const char *name),      \
    (function, name))                                                                              \
  X(void, duckdb_table_function_add_parameter,                                                     \
    (duckdb_table_function function, duckdb_logical_type type), (function, type))                  \
  X(void, duckdb_table_function_set_extra_info,                                                    \
    (duckdb_table_function function, void *data, duckdb_delete_callback_t destroy),                \
    (function, data, destroy))                                                                     \
  X(void, duckdb_table_function_set_bind,                                                          \
    (duckdb_table_function function, duckdb_table_function_bind_t bind), (function, bind))         \
  X(void, duckdb_table_function_set_init,                                                          \
    (duckdb_table_function function, duckdb_table_function_init_t init), (function, init))         \
  X(void, duckdb_table_function_set_local_init,                                                    \
    (duckdb_table_function function, duckdb_table_function_init_t init), (function, init))         \
  X(void, duckdb_table_function_set_function,                                                      \
    (duckdb_table_function function, duckdb_table_function_t body), (function, body))              \
  X(void, duckdb_table_function_supports_projection_pushdown,                                      \
    (duckdb_table_function function, bool pushdown), (function, pushdown))                         \
  X(duckdb_state, duckdb_register_table_function,                                                  \
    (duckdb_connection connection, duckdb_table_function function), (connection, function))        \
  X(duckdb_scalar_function, duckdb_create_scalar_function, (void), ())                             \
  X(void, duckdb_destroy_scalar_function, (duckdb_scalar_function * function), (function))         \
  X(void, duckdb_scalar_function_set_name, (duckdb_scalar_function function, const char *name),    \
    (function, name))                                                                              \
  X(void, duckdb_scalar_function_add_parameter,                                                    \
    (duckdb_scalar_function function, duckdb_logical_type type), (function, type))                 \
  X(void, duckdb_scalar_function_set_return_type,                                                  \
    (duckdb_scalar_function function, duckdb_logical_type type), (function, type))                 \
  X(void, duckdb_scalar_function_set_function,                                                     \
    (duckdb_scalar_function function, duckdb_scalar_function_t body), (function, body))            \
  X(duckdb_state, duckdb_register_scalar_function,                                                 \
    (duckdb_connection connection, duckdb_scalar_function function), (connection, function))       \
  X(void *, duckdb_bind_get_extra_info, (duckdb_bind_info info), (info))                           \
  X(void, duckdb_bind_add_result_column,                                                           \
    (duckdb_bind_info info, const char *name, duckdb_logical_type type), (info, name, type))       \
  X(duckdb_value, duckdb_bind_get_parameter, (duckdb_bind_info info, idx_t index), (info, index))  \
  X(void, duckdb_bind_set_bind_data,                                                               \
    (duckdb_bind_info info, void *data, duckdb_delete_callback_t destroy), (info, data, destroy))  \
  X(void, duckdb_bind_set_cardinality, (duckdb_bind_info info, idx_t rows, bool exact),            \
    (info, rows, exact))                                                                           \
  X(void, duckdb_bind_set_error, (duckdb_bind_info info, const char *error), (info, error))        \
  X(void *, duckdb_init_get_bind_data, (duckdb_init_info info), (info))                            \
  X(void, duckdb_init_set_init_data,                                                               \
    (duckdb_init_info info, void *data, duckdb_delete_callback_t destroy), (info, data, destroy))  \
  X(idx_t, duckdb_init_get_column_count, (duckdb_init_info info), (info))                          \
  X(idx_t, duckdb_init_get_column_index, (duckdb_init_info info, idx_t index), (info, index))      \
  X(void, duckdb_init_set_max_threads, (duckdb_init_info info, idx_t count), (info, count))        \
  X(void, duckdb_init_set_error, (duckdb_init_info info, const char *error), (info, error))        \
  X(void *, duckdb_function_get_bind_data, (duckdb_function_info info), (info))                    \
  X(void *, duckdb_function_get_init_data, (duckdb_function_info info), (info))                    \
  X(void *, duckdb_function_get_local_init_data, (duckdb_function_info info), (info))              \
  X(void, duckdb_function_set_error, (duckdb_function_info info, const char *error), (info, error))

// The functions' addresses.
typedef struct {
#define SLUICE_MEMBER(result, name, parameters, arguments) result(*name) parameters;
  SLUICE_DUCKDB_FUNCTIONS(SLUICE_MEMBER)
#undef SLUICE_MEMBER
} sluice_duckdb_table;

extern sluice_duckdb_table sluice_duckdb;

// Loads the library at `path`, or by bare name through the system's search path, and looks every
// function up. Returns NULL on success, else a reason of at most `capacity` bytes in `reason`.
// Not for several threads at once.
const char *sluice_duckdb_load(const char *path, char *reason, size_t capacity);

// The file that the loaded library came from; NULL when the system does not say.
const char *sluice_duckdb_file(void);

#define SLUICE_WRAPPER(result, name, parameters, arguments)                                        \
  static inline result name parameters { return sluice_duckdb.name arguments; }
SLUICE_DUCKDB_FUNCTIONS(SLUICE_WRAPPER)
#undef SLUICE_WRAPPER

#endif

/// The files that `sluice init` writes.
enum Template {
  static let files: [(path: String, text: String)] = [
    ("sluice.yaml", project), (".gitignore", gitignore),
    ("pipelines/sales/pipeline.yaml", pipeline), ("pipelines/sales/orders/2024-01.csv", orders),
    ("pipelines/sales/models/revenue.yaml", revenueModel),
    ("pipelines/sales/models/revenue.sql", revenueSQL),
    ("pipelines/sales/models/best_sellers.yaml", bestSellersModel),
    ("pipelines/sales/models/best_sellers.sql", bestSellersSQL),
  ]

  private static let project = """
    # A Sluice project: one folder a pipeline, below pipelines/.

    # Where tables live. A folder here; any store works. SLUICE_LAKE or --lake choose another one.
    lake: ${SLUICE_LAKE:-lake}

    # What computes, and with how much of the machine. --memory and --threads choose otherwise.
    engine: {use: duckdb, memory: 2GB, threads: 2}

    # Settings that differ between here and elsewhere; --profile NAME takes one.
    profile: dev
    profiles:
      dev: {}
      prod: {engine: {memory: 8GB, threads: 8}}

    """

  private static let gitignore = """
    # The lake and Sluice's own cache and spill files.
    /lake/
    /.sluice/

    """

  private static let pipeline = """
    description: Orders of a small shop

    sources:
      orders:
        # All files that match, also those to come: put one more there and run again.
        files: pipelines/sales/orders/*.csv
        format: csv
        header: true
        # Lines that do not fit the columns: fail, drop, or keep them in the table sales.quarantine.
        malformed: quarantine
        columns: {order_id: bigint, day: date, product: string, quantity: int, price: "decimal(10,2)"}

    """

  private static let orders = """
    order_id,day,product,quantity,price
    1,2024-01-02,tea,2,4.50
    2,2024-01-02,coffee,1,7.20
    3,2024-01-03,tea,1,4.50
    4,2024-01-05,mug,4,9.00
    5,2024-01-05,coffee,3,7.20
    6,2024-01-08,"tea, green",2,5.10
    7,2024-01-09,mug,1,9.00
    8,2024-01-11,tea,5,4.50

    """

  private static let revenueModel = """
    description: What each product has brought in
    # full: rebuilt when an input has changed. The query is in revenue.sql.
    kind: full
    columns:
      product: {type: string, checks: [not_null, unique]}
      orders: {type: bigint}
      revenue: {type: "decimal(18,2)", checks: [{between: {min: 0}}]}
    # A table that fails a check is not published.
    checks:
      - row_count: {min: 1}

    """

  private static let revenueSQL = """
    SELECT product, count(*) AS orders, sum(quantity * price) AS revenue
    FROM orders
    GROUP BY product

    """

  private static let bestSellersModel = """
    description: The three products that bring in most
    # view: computed when it is read.
    kind: view
    columns:
      product: {type: string}
      revenue: {type: "decimal(18,2)"}

    """

  private static let bestSellersSQL = """
    SELECT product, revenue
    FROM revenue
    ORDER BY revenue DESC
    LIMIT 3

    """
}

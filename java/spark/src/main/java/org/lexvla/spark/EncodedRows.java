package org.lexvla.spark;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Queue;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.model.LexVla;
import scala.jdk.javaapi.CollectionConverters;

/** The rows of a partition with what was made of them; a batch is encoded when its first row is asked for. */
final class EncodedRows implements Iterator<Row> {
    private final Iterator<Row> rows;
    private final LexVla model;
    private final int batch;
    private final int column;
    private final boolean errors;
    private final BatchEncoder encoder;
    private final Queue<Row> ready = new ArrayDeque<>();

    EncodedRows(Iterator<Row> rows, LexVla model, int batch, int column, boolean errors, BatchEncoder encoder) {
        this.rows = rows;
        this.model = model;
        this.batch = batch;
        this.column = column;
        this.errors = errors;
        this.encoder = encoder;
    }

    @Override
    public boolean hasNext() {
        return !ready.isEmpty() || rows.hasNext();
    }

    @Override
    public Row next() {
        if (ready.isEmpty()) {
            if (!rows.hasNext()) {
                throw new NoSuchElementException("the partition has no more rows");
            }
            encode();
        }
        return ready.remove();
    }

    private void encode() {
        List<Row> some = new ArrayList<>();
        List<Object> values = new ArrayList<>();
        while (some.size() < batch && rows.hasNext()) {
            Row row = rows.next();
            some.add(row);
            values.add(row.get(column));
        }
        List<BatchEncoder.Result> results = encoder.encode(values, model);
        for (int i = 0; i < some.size(); i++) {
            ready.add(with(some.get(i), results.get(i)));
        }
    }

    private Row with(Row row, BatchEncoder.Result result) {
        Object[] values = new Object[row.length() + (errors ? 2 : 1)];
        for (int i = 0; i < row.length(); i++) {
            values[i] = row.get(i);
        }
        values[row.length()] = result.vector() == null ? null : CollectionConverters.asScala(map(result.vector()));
        if (errors) {
            values[row.length() + 1] = result.error();
        }
        return RowFactory.create(values);
    }

    private static Map<Integer, Float> map(LexicalVector vector) {
        int[] ids = vector.ids();
        float[] weights = vector.weights();
        Map<Integer, Float> map = new HashMap<>(2 * ids.length);
        for (int i = 0; i < ids.length; i++) {
            map.put(ids[i], weights[i]);
        }
        return map;
    }
}

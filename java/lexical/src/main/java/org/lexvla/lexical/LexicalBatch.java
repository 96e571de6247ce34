package org.lexvla.lexical;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.function.Function;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.complex.MapVector;
import org.apache.arrow.vector.util.TransferPair;
import org.lexvla.lexical.SparseKernels.Csr;
import org.lexvla.lexical.SparseKernels.Rows;

/**
 * Sparse lexical vectors of several pictures or texts, in Arrow memory: a column {@code map<int32, float32>} whose
 * offsets, ids and weights are a CSR matrix of {@link #size()} rows and V columns. The same buffers go to the kernels, to
 * files, and over the C Data Interface, without a copy.
 *
 * <pre>{@code
 * try (BufferAllocator allocator = new RootAllocator();
 *         LexicalBatch pictures = LexicalBatch.sparsify(activations, Sparsification.standard(V), vocabulary, allocator)) {
 *     System.out.println(pictures.get(0).top(10));   // [fox 0.21, snow 0.18, …]
 * }
 * }</pre>
 *
 * <p>Whoever opens a batch closes it, slices included; a closed batch throws {@link IllegalStateException}. The allocator
 * is the caller's and is closed after the batch.
 *
 * <p>Ids of a row ascend strictly and are in [0, V); weights are never null. Contents do not change, so several threads
 * may read a batch at once; a batch that is closed meanwhile gives its memory back when the last of them is done.
 */
public final class LexicalBatch implements AutoCloseable {
    /** Largest piece of a product that is held in native memory at once. */
    private static final long PRODUCT_BYTES = 64L << 20;

    /** Entries that may be held twice while a batch is made: 32 MiB of ids and weights. */
    private static final long ROOM_ENTRIES = 4L << 20;

    /** Arrow counts the bytes of a part in 32 bits. */
    private static final int SLICED_ENTRIES = Integer.MAX_VALUE / Integer.BYTES;

    private static final int SHOWN_ROWS = 3;
    private static final int SHOWN_WORDS = 5;

    /**
     * A row that a query found.
     *
     * @param row   its number in the batch
     * @param score its dot product with the query
     */
    public record Hit(int row, float score) {}

    /**
     * What {@link #read} finds in a file.
     *
     * @param ids   one per row
     * @param batch the vectors; closed by whoever read them
     */
    public record Stored(List<String> ids, LexicalBatch batch) implements AutoCloseable {
        /** Closes the batch. */
        @Override
        public void close() {
            batch.close();
        }
    }

    private final Vocabulary vocabulary;
    private final MapVector vector;
    private final Occupancy occupancy;

    /** Takes over a column that is known to be valid. */
    LexicalBatch(MapVector vector, Vocabulary vocabulary) {
        this(vector, vocabulary, vector::close);
    }

    /** @param giveBack gives the column back when nobody uses it any more */
    private LexicalBatch(MapVector vector, Vocabulary vocabulary, Runnable giveBack) {
        this.vector = vector;
        this.vocabulary = vocabulary;
        this.occupancy = new Occupancy(
                "this LexicalBatch is closed: use it inside its try block, or copy rows with get() before it ends",
                giveBack);
    }

    /**
     * Keeps the entries of dense vectors that {@code how} chooses (SPEC §5).
     *
     * @param activations [B, V] float32 in host memory, normalised
     * @throws IllegalArgumentException if the activations have another type, device or number of words, or more than
     *                                  2^31 − 1 entries are kept
     */
    public static LexicalBatch sparsify(
            DenseView activations, Sparsification how, Vocabulary vocabulary, BufferAllocator allocator) {
        return sparsify(Rows.VALUES, "activations", activations, how, vocabulary, allocator);
    }

    /**
     * Activates and normalises raw scores and keeps the entries that {@code how} chooses, which applies to the normalised
     * values. The dense activations are never stored; the weights have the bits that {@link Kernels#activateNormalizeForward}
     * and {@link #sparsify} give one after the other.
     *
     * @param scores [B, V] float32 in host memory, as {@link Kernels#projectMaxForward} writes them
     * @throws IllegalArgumentException if the scores have another type, device or number of words, or more than 2^31 − 1
     *                                  entries are kept
     */
    public static LexicalBatch sparsifyScores(
            DenseView scores, Sparsification how, Vocabulary vocabulary, BufferAllocator allocator) {
        return sparsify(Rows.SCORES, "scores", scores, how, vocabulary, allocator);
    }

    private static LexicalBatch sparsify(
            Rows kind,
            String name,
            DenseView dense,
            Sparsification how,
            Vocabulary vocabulary,
            BufferAllocator allocator) {
        if (dense.type() != ElementType.FLOAT32
                || dense.dimensions() != 2
                || !dense.device().isCpu()) {
            throw new IllegalArgumentException(
                    "sparsify: " + name + " are " + dense + ", expected FLOAT32[batch, words] on cpu");
        }
        if (dense.size(1) != vocabulary.size()) {
            throw new IllegalArgumentException("sparsify: " + name + " are " + dense + ", but the vocabulary has "
                    + vocabulary.size() + " words: take the vocabulary of the model that made them");
        }
        int rows = rows(dense.size(0));
        long most = how instanceof Sparsification.TopK top ? Math.min(top.k(), dense.size(1)) : dense.size(1);
        long room = rows * most;
        // With room for all that could be kept the rows are read once; most of it is never touched. Else they are
        // counted first.
        boolean once = room <= ROOM_ENTRIES;
        try (ArrowBuf offsets = allocator.buffer((rows + 1L) * Integer.BYTES);
                ArrowBuf roomyIds = allocator.buffer(once ? room * Integer.BYTES : 0);
                ArrowBuf roomyWeights = allocator.buffer(once ? room * Float.BYTES : 0)) {
            long idsAt = once ? roomyIds.memoryAddress() : 0;
            long weightsAt = once ? roomyWeights.memoryAddress() : 0;
            Csr first = new Csr(offsets.memoryAddress(), idsAt, weightsAt, rows);
            SparseKernels.sparsify(kind, dense, how, once ? room : 0, first);
            int entries = offsets.getInt((long) rows * Integer.BYTES);
            try (ArrowBuf ids = allocator.buffer((long) entries * Integer.BYTES);
                    ArrowBuf weights = allocator.buffer((long) entries * Float.BYTES)) {
                if (once) {
                    ids.setBytes(0, roomyIds, 0, (long) entries * Integer.BYTES);
                    weights.setBytes(0, roomyWeights, 0, (long) entries * Float.BYTES);
                } else if (entries > 0) {
                    Csr out = new Csr(offsets.memoryAddress(), ids.memoryAddress(), weights.memoryAddress(), rows);
                    SparseKernels.sparsify(kind, dense, how, entries, out);
                }
                if (how.renormalize()) {
                    renormalize(rows, offsets, weights);
                }
                return of(rows, entries, offsets, ids, weights, vocabulary, allocator);
            }
        }
    }

    /**
     * Copies vectors into a batch.
     *
     * @throws IllegalArgumentException if a vector has another vocabulary
     */
    public static LexicalBatch of(List<LexicalVector> vectors, Vocabulary vocabulary, BufferAllocator allocator) {
        long entries = 0;
        for (LexicalVector row : vectors) {
            vocabulary.requireSame(row.vocabulary(), "a vector of the batch");
            entries += row.active();
        }
        int count = entries(entries);
        try (ArrowBuf offsets = allocator.buffer((vectors.size() + 1L) * Integer.BYTES);
                ArrowBuf ids = allocator.buffer((long) count * Integer.BYTES);
                ArrowBuf weights = allocator.buffer((long) count * Float.BYTES)) {
            offsets.setInt(0, 0);
            int at = 0;
            for (int row = 0; row < vectors.size(); row++) {
                int[] rowIds = vectors.get(row).ids();
                float[] rowWeights = vectors.get(row).weights();
                for (int i = 0; i < rowIds.length; i++, at++) {
                    ids.setInt((long) at * Integer.BYTES, rowIds[i]);
                    weights.setFloat((long) at * Float.BYTES, rowWeights[i]);
                }
                offsets.setInt((row + 1L) * Integer.BYTES, at);
            }
            return of(vectors.size(), count, offsets, ids, weights, vocabulary, allocator);
        }
    }

    /**
     * A CSR matrix that lies in Arrow buffers, without a copy: the batch retains them, and they must not change any more.
     *
     * @param offsets [rows + 1] int32, from 0
     * @param ids     int32, strictly ascending in every row, in [0, V)
     * @param weights float32, as many as ids
     * @throws IllegalArgumentException if the buffers are too small, or offsets or ids not as said
     */
    public static LexicalBatch of(
            int rows,
            ArrowBuf offsets,
            ArrowBuf ids,
            ArrowBuf weights,
            Vocabulary vocabulary,
            BufferAllocator allocator) {
        if (rows < 0 || offsets.capacity() < (rows + 1L) * Integer.BYTES) {
            throw new IllegalArgumentException("offsets have " + offsets.capacity() + " bytes, need "
                    + (rows + 1L) * Integer.BYTES + " for " + rows + " rows");
        }
        int entries = offsets.getInt((long) rows * Integer.BYTES);
        if (offsets.getInt(0) != 0 || entries < 0) {
            throw new IllegalArgumentException("offsets go from " + offsets.getInt(0) + " to " + entries
                    + ": they begin with 0 and do not descend");
        }
        long bytes = (long) entries * Integer.BYTES;
        if (ids.capacity() < bytes || weights.capacity() < bytes) {
            throw new IllegalArgumentException("ids have " + ids.capacity() + " bytes and weights " + weights.capacity()
                    + ", both need " + bytes + " for " + entries + " entries");
        }
        LexicalBatch batch = of(rows, entries, offsets, ids, weights, vocabulary, allocator);
        try {
            WordColumn.requireValid(batch.vector, vocabulary);
            return batch;
        } catch (RuntimeException e) {
            batch.close();
            throw e;
        }
    }

    /**
     * The rows of several batches, one after the other, copied.
     *
     * @param batches at least one, all of one vocabulary
     */
    public static LexicalBatch concat(List<LexicalBatch> batches, BufferAllocator allocator) {
        if (batches.isEmpty()) {
            throw new IllegalArgumentException("concat of no batches has no vocabulary: give at least one");
        }
        Vocabulary vocabulary = batches.get(0).vocabulary;
        long rows = 0;
        long entries = 0;
        for (LexicalBatch batch : batches) {
            vocabulary.requireSame(batch.vocabulary, "a batch to join");
            rows += batch.size();
            entries += batch.active();
        }
        int total = entries(entries);
        try (ArrowBuf offsets = allocator.buffer((rows(rows) + 1L) * Integer.BYTES);
                ArrowBuf ids = allocator.buffer((long) total * Integer.BYTES);
                ArrowBuf weights = allocator.buffer((long) total * Float.BYTES)) {
            offsets.setInt(0, 0);
            int row = 0;
            int at = 0;
            for (LexicalBatch batch : batches) {
                int firstRow = row;
                int firstEntry = at;
                at = batch.use(column -> {
                    int count = column.getValueCount();
                    int begin = WordColumn.offset(column, 0);
                    int end = WordColumn.offset(column, count);
                    for (int i = 1; i <= count; i++) {
                        int offset = WordColumn.offset(column, i) - begin + firstEntry;
                        offsets.setInt((firstRow + (long) i) * Integer.BYTES, offset);
                    }
                    long from = (long) begin * Integer.BYTES;
                    long to = (long) firstEntry * Integer.BYTES;
                    long length = (end - begin) * (long) Integer.BYTES;
                    ids.setBytes(to, WordColumn.keys(column).getDataBuffer(), from, length);
                    weights.setBytes(to, WordColumn.values(column).getDataBuffer(), from, length);
                    return firstEntry + end - begin;
                });
                row += batch.size();
            }
            return of(row, total, offsets, ids, weights, vocabulary, allocator);
        }
    }

    /** Number of rows. */
    public int size() {
        return use(MapVector::getValueCount);
    }

    /** The words that the ids stand for. */
    public Vocabulary vocabulary() {
        return vocabulary;
    }

    /** One row, copied to the heap. */
    public LexicalVector get(int row) {
        return use(column -> {
            Objects.checkIndex(row, column.getValueCount());
            int begin = WordColumn.offset(column, row);
            int count = WordColumn.offset(column, row + 1) - begin;
            ArrowBuf keys = WordColumn.keys(column).getDataBuffer();
            ArrowBuf values = WordColumn.values(column).getDataBuffer();
            int[] ids = new int[count];
            float[] weights = new float[count];
            for (int i = 0; i < count; i++) {
                ids[i] = keys.getInt((begin + (long) i) * Integer.BYTES);
                weights[i] = values.getFloat((begin + (long) i) * Float.BYTES);
            }
            return LexicalVector.trusted(vocabulary, ids, weights);
        });
    }

    /**
     * All dot products of this batch's rows with those of another, which may be this one.
     *
     * @return [this.size()][other.size()]
     * @throws IllegalArgumentException if the other batch has another vocabulary
     */
    public float[][] dot(LexicalBatch other) {
        vocabulary.requireSame(other.vocabulary, "the other batch");
        return use(mine -> other.use(theirs -> {
            int rows = mine.getValueCount();
            int columns = theirs.getValueCount();
            float[][] products = new float[rows][columns];
            if (rows == 0 || columns == 0) {
                return products;
            }
            long bytesPerRow = (long) columns * Float.BYTES;
            int step = (int) Math.min(rows, Math.max(1, PRODUCT_BYTES / bytesPerRow));
            try (ArrowBuf buffer = mine.getAllocator().buffer(step * bytesPerRow)) {
                for (int from = 0; from < rows; from += step) {
                    int to = Math.min(rows, from + step);
                    Csr part = WordColumn.csr(mine).rows(from, to);
                    SparseKernels.dot(part, WordColumn.csr(theirs), vocabulary.size(), buffer.memoryAddress());
                    for (int row = from; row < to; row++) {
                        ByteBuffer bytes = buffer.nioBuffer((row - from) * bytesPerRow, Math.toIntExact(bytesPerRow));
                        bytes.order(ByteOrder.nativeOrder()).asFloatBuffer().get(products[row]);
                    }
                }
            }
            return products;
        }));
    }

    /** Number of entries of all rows. */
    public long active() {
        return use(column -> (long) WordColumn.offset(column, column.getValueCount()) - WordColumn.offset(column, 0));
    }

    /** Mean number of entries of a row; 0 if there are no rows. */
    public double meanActive() {
        int rows = size();
        return rows == 0 ? 0 : (double) active() / rows;
    }

    /**
     * The rows from {@code from} to before {@code to}. Ids and weights are shared, not copied; both batches are closed, in
     * any order.
     *
     * @throws IllegalArgumentException for a part of a batch that ends after more than 2^29 − 1 entries: Arrow cannot cut there
     */
    public LexicalBatch slice(int from, int to) {
        if (from == 0 && to == size()) {
            return shared();
        }
        return use(column -> {
            Objects.checkFromToIndex(from, to, column.getValueCount());
            int end = WordColumn.offset(column, to);
            if (end > SLICED_ENTRIES) {
                throw new IllegalArgumentException("rows " + from + " to " + to + " end after " + end
                        + " entries, Arrow cuts up to " + SLICED_ENTRIES + ": use several batches");
            }
            TransferPair pair = column.getTransferPair(column.getField(), column.getAllocator());
            pair.splitAndTransfer(from, to - from);
            return new LexicalBatch((MapVector) pair.getTo(), vocabulary);
        });
    }

    /** The same rows; the column is given back when both are closed. */
    private LexicalBatch shared() {
        occupancy.enter();
        return new LexicalBatch(vector, vocabulary, occupancy::leave);
    }

    /**
     * The k rows with the largest dot product with a query, best first; equal ones by row. Rows that share no word with it
     * are no hits, so there may be fewer than k. Exact.
     *
     * @param k 0 or more
     * @throws IllegalArgumentException if the query has another vocabulary
     */
    public List<Hit> topK(LexicalVector query, int k) {
        vocabulary.requireSame(query.vocabulary(), "the query");
        if (k < 0) {
            throw new IllegalArgumentException("k is " + k + ", must be at least 0");
        }
        return use(column -> {
            int rows = column.getValueCount();
            int wanted = Math.min(k, rows);
            int size = query.active();
            if (wanted == 0 || size == 0) {
                return List.of();
            }
            BufferAllocator allocator = column.getAllocator();
            try (ArrowBuf ids = allocator.buffer((long) size * Integer.BYTES);
                    ArrowBuf weights = allocator.buffer((long) size * Float.BYTES);
                    ArrowBuf hitRows = allocator.buffer((long) wanted * Integer.BYTES);
                    ArrowBuf hitScores = allocator.buffer((long) wanted * Float.BYTES)) {
                int[] queryIds = query.ids();
                float[] queryWeights = query.weights();
                for (int i = 0; i < size; i++) {
                    ids.setInt((long) i * Integer.BYTES, queryIds[i]);
                    weights.setFloat((long) i * Float.BYTES, queryWeights[i]);
                }
                int found = SparseKernels.topK(
                        ids.memoryAddress(),
                        weights.memoryAddress(),
                        size,
                        WordColumn.csr(column),
                        vocabulary.size(),
                        wanted,
                        hitRows.memoryAddress(),
                        hitScores.memoryAddress());
                List<Hit> hits = new ArrayList<>(found);
                for (int i = 0; i < found; i++) {
                    hits.add(new Hit(
                            hitRows.getInt((long) i * Integer.BYTES), hitScores.getFloat((long) i * Float.BYTES)));
                }
                return List.copyOf(hits);
            }
        });
    }

    /** The Arrow column. It belongs to this batch: not to be changed or closed, and gone when the batch is closed. */
    public MapVector vector() {
        return use(column -> column);
    }

    /**
     * Writes an Arrow IPC file with the columns {@code id: utf8} and {@code words: map<int32, float32>} and the
     * vocabulary's fingerprint in the schema's metadata. Written beside the file first, then renamed over it.
     *
     * @param ids one per row
     * @throws IOException if the file cannot be written
     */
    public void write(Path file, List<String> ids) throws IOException {
        try (LexicalFileWriter writer = LexicalFileWriter.create(file, vocabulary, vector().getAllocator())) {
            writer.write(ids, this);
            writer.commit();
        }
    }

    /**
     * Reads what {@link #write} wrote.
     *
     * @throws IOException              if the file is missing, cut short, or no file of lexical vectors
     * @throws IllegalArgumentException if it was written with another vocabulary
     */
    public static Stored read(Path file, Vocabulary vocabulary, BufferAllocator allocator) throws IOException {
        return LexicalFile.read(file, vocabulary, allocator);
    }

    /**
     * Exports the column over the C Data Interface, without a copy. The memory stays until the consumer has released the
     * array, also if this batch is closed before; the vocabulary's fingerprint travels in the field's metadata.
     *
     * @param array  empty structure of the caller, who closes it
     * @param schema empty structure of the caller, who closes it
     */
    public void exportTo(ArrowArray array, ArrowSchema schema) {
        use(column -> {
            ColumnExchange.exportTo(column, array, schema);
            return null;
        });
    }

    /**
     * Imports a column {@code map<int32, float32>} over the C Data Interface, without a copy, after a check of all that
     * the kernels rely on. Array and schema are released in any case; the caller closes the two structures.
     *
     * @throws IllegalArgumentException if it has another type, nulls, ids that are not strictly ascending or outside of the
     *                                  vocabulary, or names another vocabulary in its metadata
     */
    public static LexicalBatch importFrom(
            ArrowArray array, ArrowSchema schema, Vocabulary vocabulary, BufferAllocator allocator) {
        return new LexicalBatch(ColumnExchange.importFrom(array, schema, vocabulary, allocator), vocabulary);
    }

    /** Whether {@link #close} was called: every other method then fails. */
    public boolean isClosed() {
        return occupancy.isClosed();
    }

    /** Gives the memory back, as soon as no call uses it. Closing again does nothing. */
    @Override
    public void close() {
        occupancy.close();
    }

    /** Such as {@code 2 rows, 3.5 of 17234 words each: [fox 0.21, snow 0.18, …], [boat 0.31, sea 0.12]}. */
    @Override
    public String toString() {
        if (isClosed()) {
            return "closed LexicalBatch";
        }
        StringBuilder text = new StringBuilder();
        int rows = size();
        text.append(
                String.format(Locale.ROOT, "%d rows, %.1f of %d words each", rows, meanActive(), vocabulary.size()));
        for (int row = 0; row < Math.min(rows, SHOWN_ROWS); row++) {
            text.append(row == 0 ? ": [" : ", [")
                    .append(get(row).describe(SHOWN_WORDS))
                    .append(']');
        }
        return rows > SHOWN_ROWS ? text.append(", …").toString() : text.toString();
    }

    private static LexicalBatch of(
            int rows,
            int entries,
            ArrowBuf offsets,
            ArrowBuf ids,
            ArrowBuf weights,
            Vocabulary vocabulary,
            BufferAllocator allocator) {
        MapVector column = WordColumn.of(WordColumn.field(vocabulary), rows, entries, offsets, ids, weights, allocator);
        return new LexicalBatch(column, vocabulary);
    }

    private static void renormalize(int rows, ArrowBuf offsets, ArrowBuf weights) {
        for (int row = 0; row < rows; row++) {
            int begin = offsets.getInt((long) row * Integer.BYTES);
            int end = offsets.getInt((row + 1L) * Integer.BYTES);
            double squares = 0;
            for (int at = begin; at < end; at++) {
                double weight = weights.getFloat((long) at * Float.BYTES);
                squares += weight * weight;
            }
            double norm = Math.sqrt(squares);
            for (int at = begin; at < end; at++) {
                weights.setFloat((long) at * Float.BYTES, (float) (weights.getFloat((long) at * Float.BYTES) / norm));
            }
        }
    }

    private static int rows(long rows) {
        if (rows >= Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    rows + " rows are more than a batch can hold, 2^31 - 2: use several batches");
        }
        return (int) rows;
    }

    private static int entries(long entries) {
        if (entries > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(entries + " entries are more than a batch can hold, 2^31 - 1: keep fewer"
                    + " words per row, or use several batches");
        }
        return (int) entries;
    }

    /** Calls an action with the column, which stays open until it returns. */
    <T> T use(Function<MapVector, T> action) {
        return occupancy.use(() -> action.apply(vector));
    }
}

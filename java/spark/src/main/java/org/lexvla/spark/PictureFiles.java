package org.lexvla.spark;

import java.io.FileNotFoundException;
import java.io.IOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;

/** Pictures that lie where the column says, in any file system that Hadoop knows. */
final class PictureFiles extends Pictures {
    private static final long serialVersionUID = 1;

    /** Reads the files of a node's own configuration; once an executor. */
    private static final class Hadoop {
        static final Configuration CONFIGURATION = new Configuration();
    }

    @Override
    byte[] file(Object value) throws IOException {
        try {
            Path path = new Path((String) value);
            try (FSDataInputStream in = path.getFileSystem(Hadoop.CONFIGURATION).open(path)) {
                return in.readAllBytes();
            }
        } catch (FileNotFoundException e) {
            throw new IOException("no picture at " + value, e);
        } catch (IllegalArgumentException e) {
            throw new IOException("\"" + value + "\" is no path: " + e.getMessage(), e);
        }
    }

    @Override
    String name(Object value) {
        return (String) value;
    }
}
